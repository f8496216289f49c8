package main

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/conformance/internal/faults"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	redisstorage "github.com/ostiary/ostiary/secondary/redis"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/memory"
)

// openStore opens STORE, whose statements fail as the injector says. The
// instances share it.
func openStore(cfg config, statements *faults.Injector) (store.Store, error) {
	if cfg.store == "memory" {
		return faults.Calls(memory.New(), statements), nil
	}
	var options []bunstore.Option
	if cfg.poolMax > 0 {
		options = append(options, bunstore.MaxOpen(cfg.poolMax))
	}
	return faults.Open(cfg.store, statements, options...)
}

// openSecondary opens SECONDARY; it is nil for none.
func openSecondary(cfg config, now func() time.Time) (secondary.Storage, error) {
	switch {
	case cfg.secondary == "none":
		return nil, nil //nolint:nilnil // none is an answer
	case cfg.secondary == "memory":
		return secondary.NewMemory(secondary.MemoryOptions{Now: now}), nil
	}
	return redisstorage.Open(cfg.secondary)
}

// counts are the counts of rate limits of all instances, which tests can have
// forgotten. It is safe for concurrent use.
type counts struct {
	storage ratelimit.Storage
	// generation is part of every key: a new one starts from nothing, on a
	// server that others use too.
	generation atomic.Pointer[string]
}

func newCounts(storage ratelimit.Storage) *counts {
	c := &counts{storage: storage}
	c.generation.Store(new(string))
	return c
}

func (c *counts) forget() {
	generation := rand.Text()
	c.generation.Store(&generation)
}

// of returns the storage for the counts of one instance. Limiters that share a
// storage share their counts as well, which instances must not.
func (c *counts) of(instance string) ratelimit.Storage { return &instanceCounts{c, instance} }

type instanceCounts struct {
	counts   *counts
	instance string
}

// Hit implements [ratelimit.Storage].
func (i *instanceCounts) Hit(ctx context.Context, key string, limit int, window time.Duration, now time.Time) (ratelimit.Result, error) {
	key = strings.Join([]string{*i.counts.generation.Load(), i.instance, key}, "|")
	return i.counts.storage.Hit(ctx, key, limit, window, now)
}
