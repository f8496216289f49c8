package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/secondary"
)

// keyValues is the engine's way to its secondary storage: every call under a
// time-out.
type keyValues struct {
	storage secondary.Storage
	timeout time.Duration
}

// do runs one call under the time-out and reports that one's end as
// unavailable.
func (k *keyValues) do(ctx context.Context, doing string, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, k.timeout, secondary.ErrUnavailable)
	defer cancel()
	err := call(ctx)
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), secondary.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", secondary.ErrUnavailable, err)
	}
	return fmt.Errorf("secondary storage: %s: %w", doing, err)
}

func (k *keyValues) get(ctx context.Context, key string) (data []byte, err error) {
	err = k.do(ctx, "get", func(ctx context.Context) error {
		data, err = k.storage.Get(ctx, key)
		return err
	})
	return data, err
}

// set writes the value, or removes the key where its time has passed already.
func (k *keyValues) set(ctx context.Context, key string, data []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return k.delete(ctx, key)
	}
	return k.do(ctx, "set", func(ctx context.Context) error { return k.storage.Set(ctx, key, data, ttl) })
}

func (k *keyValues) setIfExists(ctx context.Context, key string, data []byte, ttl time.Duration) (written bool, err error) {
	if ttl <= 0 {
		return false, k.delete(ctx, key)
	}
	err = k.do(ctx, "set", func(ctx context.Context) error {
		written, err = k.storage.SetIfExists(ctx, key, data, ttl)
		return err
	})
	return written, err
}

func (k *keyValues) delete(ctx context.Context, keys ...string) error {
	return k.do(ctx, "delete", func(ctx context.Context) error { return k.storage.Delete(ctx, keys...) })
}

func (k *keyValues) take(ctx context.Context, key string) (data []byte, err error) {
	err = k.do(ctx, "take", func(ctx context.Context) error {
		data, err = k.storage.Take(ctx, key)
		return err
	})
	return data, err
}

func (k *keyValues) addMember(ctx context.Context, key, member string, until time.Time) error {
	return k.do(ctx, "add member", func(ctx context.Context) error { return k.storage.AddMember(ctx, key, member, until) })
}

func (k *keyValues) removeMember(ctx context.Context, key string, members ...string) error {
	return k.do(ctx, "remove member", func(ctx context.Context) error { return k.storage.RemoveMember(ctx, key, members...) })
}

func (k *keyValues) members(ctx context.Context, key string) (members []string, err error) {
	err = k.do(ctx, "members", func(ctx context.Context) error {
		members, err = k.storage.Members(ctx, key)
		return err
	})
	return members, err
}
