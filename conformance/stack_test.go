package conformance_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/echoauth"
	"github.com/ostiary/ostiary/ginauth"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	redisstorage "github.com/ostiary/ostiary/secondary/redis"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/memory"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(floodRedis); address != "" {
		flood(address)
		return
	}
	redis.SetLogger(quiet{}) // the tests stop servers on purpose
	gin.SetMode(gin.ReleaseMode)
	code := m.Run()
	removeServer()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// quiet is a logger for go-redis that says nothing.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

type m = map[string]any

const (
	sessionCookie = "better-auth.session_token"
	secret        = "conformance-secret-0123456789-abcdefgh"
)

// stack is one combination of storages that an engine runs on.
type stack struct {
	name      string
	store     func(t *testing.T) store.Store
	secondary func(t *testing.T) secondary.Storage
}

func open(t *testing.T, url string, options ...bunstore.Option) *bunstore.Store {
	t.Helper()
	s, err := bunstore.Open(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// patience is the time-out of tests that are about something else: a busy
// machine is no fault.
const patience = 20 * time.Second

// patient makes a storage of the URL that waits for a busy machine.
func patient(url, prefix string) (*redisstorage.Storage, error) {
	return redisstorage.Open(url+"?dial_timeout=20s&read_timeout=20s&write_timeout=20s",
		redisstorage.WithPrefix(prefix), redisstorage.WithTimeout(patience))
}

func patiently(t *testing.T, url, prefix string) secondary.Storage {
	t.Helper()
	s, err := patient(url, prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openRedis(t *testing.T, url, prefix string) secondary.Storage {
	t.Helper()
	s, err := redisstorage.Open(url, redisstorage.WithPrefix(prefix))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// database is one kind of database; url is that of a fresh, empty one.
type database struct {
	name string
	url  func(t *testing.T) string
}

func databases() []database {
	return []database{
		{"sqlite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "auth.db") }},
		{"postgres", func(t *testing.T) string { return testenv.Postgres(t) }},
		{"mysql", func(t *testing.T) string { return testenv.MySQL(t) }},
	}
}

// everyDatabase runs a test on every kind of database but memory.
func everyDatabase(t *testing.T, test func(t *testing.T, url string)) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, d.url(t))
		})
	}
}

// everyStore runs a test on every kind of store, with the adapter that falls to
// it.
func everyStore(t *testing.T, test func(t *testing.T, st store.Store, serve adapter)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, memory.New(), ginApplication)
	})
	for i, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, d.url(t)), adapters()[i%2].serve)
		})
	}
}

func stacks() []stack {
	none := func(*testing.T) secondary.Storage { return nil }
	sqlite := func(t *testing.T) store.Store { return open(t, "sqlite:"+filepath.Join(t.TempDir(), "auth.db")) }
	postgres := func(t *testing.T) store.Store { return open(t, testenv.Postgres(t)) }
	mysql := func(t *testing.T) store.Store { return open(t, testenv.MySQL(t)) }
	return []stack{
		{"memory", func(*testing.T) store.Store { return memory.New() }, none},
		{"sqlite", sqlite, none},
		{"postgres", postgres, none},
		{"mysql", mysql, none},
		{"sqlite and memory", sqlite, func(t *testing.T) secondary.Storage {
			s := secondary.NewMemory(secondary.MemoryOptions{})
			t.Cleanup(func() { _ = s.Close() })
			return s
		}},
		{"postgres and redis", postgres, func(t *testing.T) secondary.Storage {
			return patiently(t, testenv.Redis(t), testenv.Prefix(t))
		}},
	}
}

// everyStack runs a test on every combination of storages.
func everyStack(t *testing.T, test func(t *testing.T, s stack)) {
	for _, s := range stacks() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// config is what the tests of this package start from: no limits, and room for
// many hashes at once.
func config(st store.Store, kv secondary.Storage) core.Config {
	return core.Config{
		Secret: secret, BaseURL: browser.Origin, Store: st, Secondary: kv,
		EmailPassword: core.EmailPassword{Enabled: true, HashConcurrency: 12},
		RateLimit:     ratelimit.Config{Disabled: true},
		StoreTimeout:  patience, SecondaryTimeout: patience,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// newAuth makes a migrated engine.
func newAuth(t *testing.T, cfg core.Config) *core.Auth {
	t.Helper()
	auth, err := core.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close(context.Background()) })
	if err := auth.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return auth
}

func (s stack) auth(t *testing.T, change ...func(*core.Config)) *core.Auth {
	t.Helper()
	cfg := config(s.store(t), s.secondary(t))
	for _, f := range change {
		f(&cfg)
	}
	return newAuth(t, cfg)
}

// application is an Echo application with a guarded route.
func application(auth *core.Auth) http.Handler {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	echoauth.Mount(e, auth)
	e.GET("/me", func(c echo.Context) error { return c.JSON(http.StatusOK, echoauth.User(c)) }, echoauth.RequireSession(auth))
	e.GET("/maybe", func(c echo.Context) error { return c.JSON(http.StatusOK, m{"user": echoauth.User(c)}) }, echoauth.Session(auth))
	return e
}

// adapter serves an engine in a framework.
type adapter func(*core.Auth) http.Handler

func adapters() []struct {
	name  string
	serve adapter
} {
	return []struct {
		name  string
		serve adapter
	}{{"echo", application}, {"gin", ginApplication}}
}

// ginApplication is [application] in Gin.
func ginApplication(auth *core.Auth) http.Handler {
	r := gin.New()
	r.UseRawPath = true
	ginauth.Mount(r, auth)
	r.GET("/me", ginauth.RequireSession(auth), func(c *gin.Context) { c.JSON(http.StatusOK, ginauth.User(c)) })
	r.GET("/maybe", ginauth.Session(auth), func(c *gin.Context) { c.JSON(http.StatusOK, m{"user": ginauth.User(c)}) })
	return r
}

func signUp(t *testing.T, h http.Handler, email string) *browser.Browser {
	t.Helper()
	b := browser.New(t, h)
	b.Post("/api/auth/sign-up/email", m{"name": "Al", "email": email, "password": "password789"}).Want(200)
	return b
}

func TestAWholeVisitOnEveryStack(t *testing.T) {
	t.Parallel()
	everyStack(t, func(t *testing.T, s stack) {
		auth := s.auth(t, func(c *core.Config) {
			c.UserFields = []*store.Field{
				{Name: "nickname", Type: store.String, Input: true, Returned: true},
				{Name: "born", Type: store.Time, Input: true, Returned: true},
				{Name: "tags", Type: store.Strings, Input: true, Returned: true},
			}
		})
		h := application(auth)
		b := browser.New(t, h)
		name := `O'Brien "the\n$$ %_?" ` + strings.Repeat("é😀", 50)
		b.Post("/api/auth/sign-up/email", m{
			"name": name, "email": "A@B.com", "password": "password789",
			"nickname": "al", "born": "2001-02-03T04:05:06.789Z", "tags": []string{"x", "y z"},
		}).Want(200)
		me := b.Get("/me").Want(200)
		for field, want := range map[string]any{"name": name, "email": "a@b.com", "nickname": "al", "born": "2001-02-03T04:05:06.789Z"} {
			if got := me.JSON(field); got != want {
				t.Errorf("%s is %v, want %v", field, got, want)
			}
		}
		b.Post("/api/auth/update-user", m{"name": "Bo"}).Want(200)
		if got := b.Get("/me").Text("name"); got != "Bo" {
			t.Errorf("name %q after the update", got)
		}
		second := browser.New(t, h)
		second.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"}).Want(200)
		if sessions := b.Get("/api/auth/list-sessions").Want(200).JSON().([]any); len(sessions) != 2 {
			t.Errorf("%d sessions", len(sessions))
		}
		b.Post("/api/auth/change-password", m{"newPassword": "new password", "currentPassword": "password789", "revokeOtherSessions": true}).Want(200)
		second.Get("/me").WantCode(401, "UNAUTHORIZED")
		b.Get("/me").Want(200)
		thief := b.Clone()
		b.Post("/api/auth/sign-out", m{}).Want(200)
		thief.Get("/me").WantCode(401, "UNAUTHORIZED")
	})
}

func TestParallelSignUpsMakeOneUserOnEveryStack(t *testing.T) {
	t.Parallel()
	everyStack(t, func(t *testing.T, s stack) {
		auth := s.auth(t)
		h := application(auth)
		statuses := together(12, func(i int) int {
			email := []string{"race@example.test", "Race@Example.TEST"}[i%2]
			return browser.New(t, h).Post("/api/auth/sign-up/email", m{"name": "x", "email": email, "password": "password789"}).Status
		})
		if statuses[200] != 1 || statuses[422] != 11 {
			t.Errorf("statuses %v, want one 200 and eleven 422", statuses)
		}
		for _, table := range []string{core.TableUser, core.TableAccount} {
			if n, err := auth.Database().Count(t.Context(), table, store.Where{}); err != nil || n != 1 {
				t.Errorf("%d rows of %s (%v)", n, table, err)
			}
		}
	})
}

func TestOneTimeValuesAreTakenOnceOnEveryStack(t *testing.T) {
	t.Parallel()
	everyStack(t, func(t *testing.T, s stack) {
		auth := s.auth(t)
		v := auth.Verifications()
		if err := v.Create(t.Context(), "reset-password:secret", "user-1", time.Minute); err != nil {
			t.Fatal(err)
		}
		got := together(12, func(int) int {
			value, err := v.Take(context.Background(), "reset-password:secret")
			if err != nil {
				return 0
			}
			if value != "user-1" {
				t.Errorf("value %q", value)
			}
			return 1
		})
		if got[1] != 1 {
			t.Errorf("%d callers got the value, want 1", got[1])
		}
	})
}

// A log-out races requests that are due to extend the session: whatever the
// order, the session is gone when log-out has answered.
func TestALogOutIsNeverUndoneByARefreshOnEveryStack(t *testing.T) {
	t.Parallel()
	everyStack(t, func(t *testing.T, s stack) {
		h := application(s.auth(t, func(c *core.Config) { c.Session.UpdateAge = -1 }))
		for round := range 10 {
			b := signUp(t, h, "u"+string(rune('a'+round))+"@b.com")
			out := b.Clone()
			statuses := together(9, func(i int) int {
				if i == 0 {
					return out.Post("/api/auth/sign-out", m{}).Status
				}
				c := b.Clone()
				status := 0
				for range 5 {
					status = c.Get("/api/auth/get-session").Status
				}
				return status
			})
			if statuses[200] != 9 {
				t.Errorf("statuses %v", statuses)
			}
			if res := b.Clone().Get("/api/auth/get-session"); res.Body != "null" {
				t.Fatalf("round %d: the session is back: %s", round, res.Body)
			}
		}
	})
}

func TestFiftyRefreshesAtOnceOnEveryStack(t *testing.T) {
	t.Parallel()
	everyStack(t, func(t *testing.T, s stack) {
		h := application(s.auth(t, func(c *core.Config) { c.Session.UpdateAge = -1 }))
		b := signUp(t, h, "a@b.com")
		statuses := together(50, func(int) int {
			res := b.Clone().Get("/api/auth/get-session")
			if res.Body == "null" {
				return 0
			}
			return res.Status
		})
		if statuses[200] != 50 {
			t.Errorf("statuses %v", statuses)
		}
	})
}

func TestNoTokenIsLogged(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var log bytes.Buffer
	cfg := config(memory.New(), nil)
	cfg.Logger = slog.New(slog.NewJSONHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h := application(newAuth(t, cfg))
	b := signUp(t, h, "a@b.com")
	token, _, _ := strings.Cut(b.Cookie(sessionCookie), ".")
	b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "wrong password"})
	b.Post("/api/auth/revoke-session", m{"token": token})
	mu.Lock()
	defer mu.Unlock()
	for _, s := range []string{token, "password789", "wrong password", secret} {
		if strings.Contains(log.String(), s) {
			t.Errorf("the log holds %q", s)
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// together runs n calls at once and counts what they return.
func together(n int, call func(i int) int) map[int]int {
	results := make([]int, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			results[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	counts := map[int]int{}
	for _, r := range results {
		counts[r]++
	}
	return counts
}
