package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/ostiary/ostiary/store"
)

// Upkeep configures the background job that deletes expired sessions and
// one-time values from the store. Any number of instances may run it together.
type Upkeep struct {
	// Disabled leaves it to calls of [Auth.Prune], or to the command
	// "sessions prune".
	Disabled bool
	// Interval is the time between two runs; the first comes at a random moment
	// within it. Default 1 hour.
	Interval time.Duration
}

// Pruned counts what [Auth.Prune] has deleted.
type Pruned struct {
	Sessions      int64
	Verifications int64
}

// pruneBatch is how many rows are deleted at once: few enough that nobody
// waits for them.
const pruneBatch = 100

// Prune deletes sessions and one-time values that have expired, in small
// batches with pauses between them, oldest first. Database hooks run for each row; a row that they refuse
// is left, and the error in the end says how many were. progress, which may be
// nil, is called after every batch with what has been deleted so far. It returns
// when nothing else that has expired is left, ctx ends, or the store fails, with
// what has been deleted until then.
func (a *Auth) Prune(ctx context.Context, progress func(Pruned)) (Pruned, error) {
	var done Pruned
	var refused error
	for _, part := range []struct {
		table string
		count *int64
	}{{TableSession, &done.Sessions}, {TableVerification, &done.Verifications}} {
		began := time.Now()
		left, err := a.pruneTable(ctx, part.table, func(n int64) error {
			*part.count += n
			if progress != nil {
				progress(done)
			}
			took := time.Since(began)
			if err := pause(ctx, min(prunePauses*took, maxPrunePause)); err != nil {
				return err
			}
			began = time.Now()
			return nil
		})
		if err != nil {
			return done, fmt.Errorf("prune: %w", err)
		}
		refused = errors.Join(refused, left)
	}
	return done, refused
}

// maxRefused is how many rows hooks may refuse before the others of their table
// are left for another time.
const maxRefused = 1000

// pruneTable deletes what has expired in a table. refused says what hooks kept.
func (a *Auth) pruneTable(ctx context.Context, table string, next func(n int64) error) (refused, err error) {
	expired := store.Lt("expiresAt", store.CanonicalTime(a.now()))
	var kept []string
	for {
		// Read first, along the index of the expiry, so that the delete holds no
		// more rows than it must. Two instances may read the same ones, and delete
		// them once.
		where := expired
		if len(kept) > 0 {
			where = store.And(expired, store.NotIn(store.ID, kept...))
		}
		rows, err := a.db.FindMany(ctx, table, store.Query{
			Where: where, Sort: []store.Sort{{Field: "expiresAt"}}, Limit: pruneBatch, Select: []string{store.ID},
		})
		if err != nil {
			return refused, err
		}
		if len(rows) == 0 || len(kept) > maxRefused {
			return refused, nil
		}
		ids := make([]string, len(rows))
		for i, row := range rows {
			ids[i] = row.String(store.ID)
		}
		n, refusals, err := a.pruneRows(ctx, table, ids, expired)
		if err != nil {
			return refused, err
		}
		if len(refusals) > 0 {
			kept = append(kept, slices.Sorted(maps.Keys(refusals))...)
			refused = fmt.Errorf("prune: hooks refused %d rows of %s, such as %q: %w", len(kept), table, kept[0], refusals[kept[len(kept)-1]])
		}
		if err := next(n); err != nil {
			return refused, err
		}
	}
}

// pruneRows deletes the rows if they are still expired: together, or one by one
// where hooks may refuse some.
func (a *Auth) pruneRows(ctx context.Context, table string, ids []string, expired store.Where) (n int64, refused map[string]error, err error) {
	if !a.db.hooksDelete(a.db.schema.Table(table)) {
		// A transaction is tried again where it meets that of another instance.
		err = a.db.Tx(ctx, func(ctx context.Context) error {
			n, err = a.db.Delete(ctx, table, store.And(store.In(store.ID, ids...), expired))
			return err
		})
		return n, nil, err
	}
	refused = map[string]error{}
	for _, id := range ids {
		deleted, err := a.db.Delete(ctx, table, store.And(store.Eq(store.ID, id), expired))
		switch {
		case err == nil:
			n += deleted
		case ctx.Err() != nil, errors.Is(err, store.ErrUnavailable):
			return n, refused, err
		default:
			refused[id] = err
		}
	}
	return n, refused, nil
}

// upkeep is the background job.
type upkeep struct {
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	// prunePauses is for how many times as long as a batch took the database is
	// left to others before the next one, and maxPrunePause for how long at most.
	prunePauses   = 15
	maxPrunePause = 100 * time.Millisecond
)

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
	done, err := a.Prune(ctx, nil)
	switch {
	case err != nil && ctx.Err() != nil: // closed
	case errors.Is(err, store.ErrUnavailable):
		a.log.WarnContext(ctx, "expired rows were not deleted; the next run tries again", slog.Any("error", err))
	case err != nil:
		a.log.ErrorContext(ctx, "expired rows could not be deleted", slog.Any("error", err))
	}
	if done != (Pruned{}) {
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
