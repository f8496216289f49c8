package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
)

// Verifications keeps one-time values: what a mailed link or a code stands
// for, until it is used or expires. The identifier, which holds the secret
// part, is kept only as a hash. It is safe for concurrent use.
type Verifications struct{ auth *Auth }

type verificationValue struct {
	Value     string    `json:"value"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func verificationKey(identifier string) string { return "verification:" + hashToken(identifier) }

// Create keeps a value under the identifier for ttl, in place of one that is
// there already.
func (v *Verifications) Create(ctx context.Context, identifier, value string, ttl time.Duration) error {
	a := v.auth
	now := store.CanonicalTime(a.now())
	if a.kv == nil {
		return a.db.Tx(ctx, func(ctx context.Context) error {
			if _, err := a.db.Delete(ctx, TableVerification, store.Eq("identifier", hashToken(identifier))); err != nil {
				return err
			}
			_, err := a.db.Create(ctx, TableVerification, store.Record{
				"identifier": hashToken(identifier), "value": value, "expiresAt": now.Add(ttl),
				"createdAt": now, "updatedAt": now,
			})
			return err
		})
	}
	data, err := encodeJSON(verificationValue{value, now.Add(ttl)})
	if err != nil {
		return fmt.Errorf("encode verification: %w", err)
	}
	return a.db.AfterCommit(ctx, func(ctx context.Context) error {
		return a.kv.set(ctx, verificationKey(identifier), data, ttl)
	})
}

// Take removes the value under the identifier and returns it. Among concurrent
// callers one gets it; the others, and those who come after it expired, get
// [store.ErrNotFound].
func (v *Verifications) Take(ctx context.Context, identifier string) (string, error) {
	a := v.auth
	if a.kv == nil {
		row, err := a.db.Take(ctx, TableVerification, store.Eq("identifier", hashToken(identifier)))
		if err != nil {
			return "", err
		}
		if !row.Time("expiresAt").After(a.now()) {
			return "", fmt.Errorf("verification has expired: %w", store.ErrNotFound)
		}
		return row.String("value"), nil
	}
	data, err := a.kv.take(ctx, verificationKey(identifier))
	if errors.Is(err, secondary.ErrNotFound) {
		return "", fmt.Errorf("verification: %w", store.ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	var kept verificationValue
	if err := json.Unmarshal(data, &kept); err != nil {
		return "", fmt.Errorf("verification cannot be read: %w: %w", store.ErrNotFound, err)
	}
	if !kept.ExpiresAt.After(a.now()) {
		return "", fmt.Errorf("verification has expired: %w", store.ErrNotFound)
	}
	return kept.Value, nil
}
