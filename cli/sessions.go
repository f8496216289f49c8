package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/core"
)

func (r *run) sessions() *command {
	return &command{
		name:    "sessions",
		usage:   "prune",
		summary: "work on sessions",
		about:   `Works on the sessions that are kept in the database.`,
		flags:   newFlags(),
		within:  []*command{r.prune()},
	}
}

func (r *run) prune() *command {
	return &command{
		name:    "sessions prune",
		summary: "delete expired sessions and one-time values",
		about: `
Deletes the sessions and one-time values (verifications) that have expired, in
small batches that nobody has to wait for. They are of no use to anyone: this
only makes room. A running application does it by itself from time to time,
unless Config.Upkeep.Disabled says otherwise; then this command is for cron. It
may run at any time, in several places at once, and be interrupted.`,
		examples: [][2]string{
			{"every night at three, for an hour at most", "sessions prune --timeout 1h"},
		},
		flags: newFlags(),
		do: func(ctx context.Context) error {
			return r.loaded(ctx, r.program.LoadExisting, r.deleteExpired)
		},
	}
}

func (r *run) deleteExpired(ctx context.Context, auth *core.Auth) error {
	last := time.Now()
	done, err := auth.Prune(ctx, func(p core.Pruned) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			r.note("… %s", pruned(p))
		}
	})
	if err == nil || done != (core.Pruned{}) {
		r.printf("Deleted %s.", pruned(done))
	}
	return err
}

func pruned(p core.Pruned) string {
	return fmt.Sprintf("%s and %s", plural(p.Sessions, "expired session"), plural(p.Verifications, "expired one-time value"))
}
