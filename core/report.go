package core

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ostiary/ostiary/internal/password"
	"github.com/ostiary/ostiary/internal/random"
	"github.com/ostiary/ostiary/secondary"
)

// WriteError answers with the error as JSON. What is no [Error] is logged with
// an id and answered as [ErrUnavailable] or [ErrInternal], without detail; the
// id is in the X-Request-Id header of the answer.
func (a *Auth) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := a.Report(r.Context(), w.Header(), err)
	body, encodeErr := encodeJSON(e)
	if encodeErr != nil {
		body = []byte(`{"code":"INTERNAL_SERVER_ERROR","message":"Internal Server Error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// Report turns an error into the [Error] to answer with, logs what an operator
// should know of it (of an outage one line in ten seconds, with the number of
// those left out), and sets the headers that belong to it. Adapters call it
// before handing the error to their framework.
func (a *Auth) Report(ctx context.Context, h http.Header, err error) *Error {
	e := AsError(err)
	if e.RetryAfter > 0 && h.Get("Retry-After") == "" {
		seconds := int64((e.RetryAfter + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if e.Status < http.StatusInternalServerError {
		return e
	}
	id := h.Get("X-Request-Id")
	if id == "" {
		if generated, err := random.Text(a.cfg.Rand, 16); err == nil {
			id = generated
			h.Set("X-Request-Id", id)
		}
	}
	attrs := []slog.Attr{slog.String("request", id), slog.Int("status", e.Status), slog.Any("error", err)}
	if e.Status != http.StatusServiceUnavailable {
		a.log.LogAttrs(ctx, slog.LevelError, "request failed", attrs...)
		return e
	}
	if errors.Is(err, context.Canceled) {
		return e // the client has gone
	}
	if before, now := a.outages.next(backEnd(err), a.now()); now {
		a.log.LogAttrs(ctx, slog.LevelWarn, "request could not be served", append(attrs, slog.Int("unlogged", before))...)
	}
	return e
}

// backEnd names what did not answer.
func backEnd(err error) string {
	switch {
	case errors.Is(err, secondary.ErrUnavailable):
		return "secondary storage"
	case errors.Is(err, password.ErrBusy):
		return "password hashing"
	}
	return "store"
}

// outageInterval is how often requests that cannot be served are logged for
// each back end: an outage fails all of them alike.
const outageInterval = 10 * time.Second

// outages decides which failures of an outage are logged.
type outages struct {
	mu        sync.Mutex
	byBackEnd map[string]*outage
}

type outage struct {
	logged   time.Time
	unlogged int
}

// next reports whether a failure of the back end is to be logged, and how many
// before it were not.
func (o *outages) next(of string, at time.Time) (before int, now bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byBackEnd == nil {
		o.byBackEnd = map[string]*outage{}
	}
	last := o.byBackEnd[of]
	if last != nil && at.Sub(last.logged) < outageInterval {
		last.unlogged++
		return 0, false
	}
	if last != nil {
		before = last.unlogged
	}
	o.byBackEnd[of] = &outage{logged: at}
	return before, true
}
