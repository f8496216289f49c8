package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/internal/testclock"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

// Engine is an engine on a memory store that can be watched and be down.
type Engine struct {
	Auth *core.Auth

	t     testing.TB
	clock *testclock.Clock
	store *watchedStore
	log   *lines
}

// NewEngine makes an engine whose endpoints have no limits, after the changes.
func NewEngine(t testing.TB, change ...func(*core.Config)) *Engine {
	t.Helper()
	e := &Engine{t: t, clock: testclock.New(), store: &watchedStore{Store: memory.New()}, log: &lines{}}
	cfg := core.Config{
		Secret: "test-secret-test-secret-test-secret-01", BaseURL: browser.Origin,
		Store:         e.store,
		EmailPassword: core.EmailPassword{Enabled: true},
		RateLimit:     ratelimit.Config{Disabled: true},
		Logger:        slog.New(slog.NewTextHandler(e.log, nil)),
		Now:           e.clock.Now,
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if e.Auth, err = core.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Auth.Close(context.Background()) })
	if err := e.Auth.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return e
}

// StoreDown has the store fail from now on, or no longer.
func (e *Engine) StoreDown(down bool) { e.store.down.Store(down) }

// Log is what the engine has logged.
func (e *Engine) Log() string {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	return e.log.text.String()
}

// SignedIn returns the browser of a new user, on an application of this engine. No
// password is hashed, which takes most of the time of a sign-up.
func (e *Engine) SignedIn(application http.Handler) *browser.Browser {
	e.t.Helper()
	entrance := browser.New(e.t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := e.Auth.Attach(w, r).Context()
		user, err := e.Auth.Users().Create(ctx, core.NewUser{Name: "Al", Email: "a@b.com"})
		if err == nil {
			_, err = e.Auth.Sessions().Issue(ctx, core.RequestFrom(ctx), user, true)
		}
		if err != nil {
			e.Auth.WriteError(w, r, err)
		}
	}))
	b := browser.New(e.t, application)
	for _, line := range entrance.Get("/").Want(200).SetCookies() {
		pair, _, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		b.SetCookie(name, value)
	}
	return b
}

// Detail is what a store that is down says, and what no client may read.
const Detail = "dial tcp 10.1.2.3:5432: refused"

var errDetail = errors.New(Detail)

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// watchedStore counts what reaches a store, and can be down.
type watchedStore struct {
	store.Store
	calls atomic.Int64
	down  atomic.Bool
}

func (s *watchedStore) reach() error {
	s.calls.Add(1)
	if s.down.Load() {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, errDetail)
	}
	return nil
}

func (s *watchedStore) Create(ctx context.Context, t *store.Table, r store.Record) (store.Record, error) {
	if err := s.reach(); err != nil {
		return nil, err
	}
	return s.Store.Create(ctx, t, r)
}

func (s *watchedStore) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	if err := s.reach(); err != nil {
		return nil, err
	}
	return s.Store.FindOne(ctx, t, q)
}

func (s *watchedStore) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	if err := s.reach(); err != nil {
		return nil, err
	}
	return s.Store.FindMany(ctx, t, q)
}

func (s *watchedStore) Update(ctx context.Context, t *store.Table, w store.Where, set store.Record) (int64, error) {
	if err := s.reach(); err != nil {
		return 0, err
	}
	return s.Store.Update(ctx, t, w, set)
}

func (s *watchedStore) Delete(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	if err := s.reach(); err != nil {
		return 0, err
	}
	return s.Store.Delete(ctx, t, w)
}

func (s *watchedStore) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	if err := s.reach(); err != nil {
		return nil, err
	}
	return s.Store.Add(ctx, t, w, delta, set)
}

func (s *watchedStore) Tx(ctx context.Context, fn func(context.Context) error) error {
	if err := s.reach(); err != nil {
		return err
	}
	return s.Store.Tx(ctx, fn)
}
