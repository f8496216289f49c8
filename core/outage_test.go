package core_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

// downStore is a store whose database does not answer while down is set.
type downStore struct {
	store.Store
	down     bool
	readOnly bool // no row can be deleted
}

func (d *downStore) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	if d.down {
		return nil, fmt.Errorf("dial tcp 10.1.2.3:5432: %w", store.ErrUnavailable)
	}
	return d.Store.FindOne(ctx, t, q)
}

func (d *downStore) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	if d.readOnly {
		return 0, store.ErrUnavailable
	}
	return d.Store.Delete(ctx, t, w)
}

func TestARevocationThatCannotBeDoneIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	s := &downStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) { c.Store = s })
	b := a.signUp(t, "a@b.com")
	s.readOnly = true
	for _, path := range []string{"sign-out", "revoke-sessions", "revoke-other-sessions"} {
		if res := b.Post("/api/auth/"+path, m{}).WantCode(503, "SERVICE_UNAVAILABLE"); len(res.SetCookies()) > 0 {
			t.Errorf("%s: cookies %q", path, res.SetCookies())
		}
	}
	s.readOnly = false
	if b.Get("/api/auth/get-session").Body == "null" {
		t.Error("the session has ended")
	}
	b.Post("/api/auth/sign-out", m{}).Want(200)
}

func TestAnOutageIsLoggedOnceAnInterval(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := &downStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) {
		c.Store = s
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	b := a.signUp(t, "a@b.com")
	s.down = true
	for range 50 {
		res := b.Get("/api/auth/get-session").WantCode(503, "SERVICE_UNAVAILABLE")
		if strings.Contains(res.Body, "10.1.2.3") || res.Header.Get("Retry-After") != "1" || len(res.SetCookies()) > 0 {
			t.Fatalf("body %s, headers %v", res.Body, res.Header)
		}
	}
	if n := strings.Count(log.String(), "could not be served"); n != 1 {
		t.Errorf("%d lines for 50 requests, want 1", n)
	}
	a.clock.Advance(11 * time.Second)
	b.Get("/api/auth/get-session").Want(503)
	if !strings.Contains(log.String(), "unlogged=49") {
		t.Errorf("the line after does not say how many were left out:\n%s", log.String())
	}
}
