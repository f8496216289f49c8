package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/ostiary/ostiary/store"
)

// Upkeep configures the background job that deletes expired sessions and
// one-time values from the store. Any number of instances may run it together.
type Upkeep struct {
	// Disabled leaves it to calls of [Auth.Purge], or to the command
	// "sessions prune".
	Disabled bool
	// Interval is the time between two runs; the first comes at a random moment
	// within it. Default 1 hour.
	Interval time.Duration
}

// Purged counts what [Auth.Purge] has deleted.
type Purged struct {
	Sessions      int64
	Verifications int64
}

// purgeBatch is how many rows are deleted at once: few enough that nobody
// waits for them.
const purgeBatch = 500

// Purge deletes sessions and one-time values that have expired, in small
// batches, oldest first; database hooks run for each row. progress, which may be
// nil, is called after every batch with what has been deleted so far. It returns
// when nothing expired is left, ctx ends, or the store fails, with what has been
// deleted until then.
func (a *Auth) Purge(ctx context.Context, progress func(Purged)) (Purged, error) {
	return a.purge(ctx, func(p Purged) error {
		if progress != nil {
			progress(p)
		}
		return ctx.Err()
	})
}

func (a *Auth) purge(ctx context.Context, next func(Purged) error) (Purged, error) {
	var done Purged
	before := store.CanonicalTime(a.now())
	for _, part := range []struct {
		table string
		count *int64
	}{{TableSession, &done.Sessions}, {TableVerification, &done.Verifications}} {
		for {
			n, err := a.purgeBatch(ctx, part.table, before)
			if err != nil {
				return done, fmt.Errorf("purge: %w", err)
			}
			if n == 0 {
				break
			}
			*part.count += n
			if err := next(done); err != nil {
				return done, fmt.Errorf("purge: %w", err)
			}
		}
	}
	return done, nil
}

// purgeBatch deletes some rows that expired before the time, and returns how
// many; none, too, when another instance was quicker with the same ones: it goes
// on with the rest then. The rows are read first, along the index of the expiry,
// so that the delete holds no more of them than it must.
func (a *Auth) purgeBatch(ctx context.Context, table string, before time.Time) (n int64, err error) {
	expired := store.Lt("expiresAt", before)
	rows, err := a.db.FindMany(ctx, table, store.Query{
		Where: expired, Sort: []store.Sort{{Field: "expiresAt"}}, Limit: purgeBatch, Select: []string{store.ID},
	})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.String(store.ID)
	}
	// A transaction is tried again where it meets that of another instance.
	err = a.db.Tx(ctx, func(ctx context.Context) error {
		n, err = a.db.Delete(ctx, table, store.And(store.In(store.ID, ids...), expired))
		return err
	})
	return n, err
}

// upkeep is the background job.
type upkeep struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// purgePause leaves the database to others between two batches.
const purgePause = 20 * time.Millisecond

func (a *Auth) startUpkeep(interval time.Duration) *upkeep {
	ctx, cancel := context.WithCancel(context.Background())
	u := &upkeep{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(u.done)
		// Instances that start together do not all come at once.
		wait := rand.N(interval) //nolint:gosec // no secret
		for pause(ctx, wait) == nil {
			a.keepUp(ctx)
			wait = interval
		}
	}()
	return u
}

func (a *Auth) keepUp(ctx context.Context) {
	defer func() {
		// A hook of the application's must not end the process.
		if p := recover(); p != nil {
			a.log.ErrorContext(ctx, "panic while deleting expired rows", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	done, err := a.purge(ctx, func(Purged) error { return pause(ctx, purgePause) })
	switch {
	case err != nil && ctx.Err() != nil: // closed
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrConflict):
		a.log.WarnContext(ctx, "expired rows were not deleted; the next run tries again", slog.Any("error", err))
	case err != nil:
		a.log.ErrorContext(ctx, "expired rows could not be deleted", slog.Any("error", err))
	}
	if done != (Purged{}) {
		a.log.InfoContext(ctx, "expired rows deleted", slog.Int64("sessions", done.Sessions), slog.Int64("verifications", done.Verifications))
	}
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends the job and waits for it. The nil upkeep has nothing to end.
func (u *upkeep) stop() {
	if u == nil {
		return
	}
	u.cancel()
	<-u.done
}
