package core_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/internal/testclock"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "test-secret-test-secret-test-secret-01"

// app is an engine with everything a test may want to look at.
type app struct {
	*core.Auth
	clock   *testclock.Clock
	handler http.Handler
}

// newApp makes an engine on a memory store, without limits, after the changes
// of the functions given.
func newApp(t testing.TB, change ...func(*core.Config)) *app {
	t.Helper()
	c := testclock.New()
	cfg := core.Config{
		Secret: testSecret, BaseURL: browser.Origin,
		Store:         memory.New(),
		EmailPassword: core.EmailPassword{Enabled: true},
		RateLimit:     ratelimit.Config{Disabled: true},
		Logger:        slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now:           c.Now,
	}
	for _, f := range change {
		f(&cfg)
	}
	auth, err := core.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close(context.Background()) })
	if err := auth.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return &app{Auth: auth, clock: c, handler: auth.Handler()}
}

// withSecondary keeps sessions in a memory secondary storage.
func withSecondary(t testing.TB) func(*core.Config) {
	return func(cfg *core.Config) {
		s := secondary.NewMemory(secondary.MemoryOptions{Now: cfg.Now})
		t.Cleanup(func() { _ = s.Close() })
		cfg.Secondary = s
	}
}

// everywhere runs a test for each place where sessions can live.
func everywhere(t *testing.T, test func(t *testing.T, home func(*core.Config))) {
	t.Run("database", func(t *testing.T) {
		t.Parallel()
		test(t, func(*core.Config) {})
	})
	t.Run("secondary", func(t *testing.T) {
		t.Parallel()
		test(t, withSecondary(t))
	})
}

func (a *app) browser(t testing.TB) *browser.Browser { return browser.New(t, a.handler) }

type m = map[string]any

// signUp signs a new user up and returns the browser that holds the session.
func (a *app) signUp(t testing.TB, email string) *browser.Browser {
	t.Helper()
	b := a.browser(t)
	b.Post("/api/auth/sign-up/email", m{"name": "Al", "email": email, "password": "password789"}).Want(200)
	return b
}

// signIn signs in from another browser.
func (a *app) signIn(t testing.TB, email string) *browser.Browser {
	t.Helper()
	b := a.browser(t)
	b.Post("/api/auth/sign-in/email", m{"email": email, "password": "password789"}).Want(200)
	return b
}

const (
	sessionCookie  = "better-auth.session_token"
	rememberCookie = "better-auth.dont_remember"
)

// browserOf is a browser with the other's session cookie on another handler.
func browserOf(t testing.TB, h http.Handler, other *browser.Browser) *browser.Browser {
	b := browser.New(t, h)
	b.SetCookie(sessionCookie, other.Cookie(sessionCookie))
	return b
}
