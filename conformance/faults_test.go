package conformance_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store/memory"
)

// proxied puts a proxy in front of the server that a URL names.
func proxied(t *testing.T, rawURL string) (string, *testenv.Proxy) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	p := testenv.NewProxy(t, u.Host)
	return testenv.Through(rawURL, p), p
}

// wantUnavailable asks for everything that needs the storage: every answer is
// 503 with the time to come back, and no cookie changes.
func wantUnavailable(t *testing.T, b *browser.Browser) {
	t.Helper()
	cookie := b.Cookie(sessionCookie)
	for _, res := range map[string]*browser.Answer{
		"get-session":    b.Get("/api/auth/get-session"),
		"guarded route":  b.Get("/me"),
		"optional route": b.Get("/maybe"),
		"sign-out":       b.Post("/api/auth/sign-out", m{}),
		"update-user":    b.Post("/api/auth/update-user", m{"name": "x"}),
		"list-sessions":  b.Get("/api/auth/list-sessions"),
		"revoke":         b.Post("/api/auth/revoke-sessions", m{}),
	} {
		res.WantCode(503, "SERVICE_UNAVAILABLE")
		if res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if len(res.SetCookies()) > 0 {
			t.Errorf("cookies were changed: %q", res.SetCookies())
		}
	}
	if b.Cookie(sessionCookie) != cookie {
		t.Error("the cookie is another")
	}
}

// soon repeats a question until it is answered well or the time is up.
func soon(t *testing.T, within time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("not within %v", within)
		case <-tick.C:
		}
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	for database, fresh := range map[string]func(testing.TB) string{"postgres": testenv.Postgres, "mysql": testenv.MySQL} {
		for name, fault := range map[string]func(*testenv.Proxy){
			"stopped": (*testenv.Proxy).Stop,
			"hanging": (*testenv.Proxy).Hang,
		} {
			t.Run(database+" "+name, func(t *testing.T) {
				t.Parallel()
				address, proxy := proxied(t, fresh(t))
				cfg := config(open(t, address), nil)
				h := application(newAuth(t, cfg))
				b := signUp(t, h, "a@b.com")
				if name == "hanging" {
					// A second engine on the same storage, which does not wait for long.
					cfg.StoreTimeout = 300 * time.Millisecond
					h = ginApplication(newAuth(t, cfg))
					b = b.On(h)
				}

				fault(proxy)
				wantUnavailable(t, b)
				anonymous := browser.New(t, h)
				anonymous.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"}).WantCode(503, "SERVICE_UNAVAILABLE")
				anonymous.Post("/api/auth/sign-up/email", m{"name": "x", "email": "c@d.com", "password": "password789"}).WantCode(503, "SERVICE_UNAVAILABLE")
				if res := anonymous.Get("/api/auth/get-session").Want(200); res.Body != "null" {
					t.Errorf("nobody is %s", res.Body)
				}

				proxy.Start()
				soon(t, 5*time.Second, func() bool { return b.Get("/me").Status == 200 })
			})
		}
	}
}

func TestRedisDown(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*testenv.Proxy){
		"stopped": (*testenv.Proxy).Stop,
		"hanging": (*testenv.Proxy).Hang,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, proxy := proxied(t, testenv.Redis(t))
			st, prefix := memory.New(), testenv.Prefix(t)
			h := application(newAuth(t, config(st, patiently(t, address, prefix))))
			b := signUp(t, h, "a@b.com")
			if name == "hanging" {
				// A second engine on the same storage, which does not wait for long.
				h = application(newAuth(t, config(st, openRedis(t, address, prefix))))
				b = b.On(h)
			}

			fault(proxy)
			wantUnavailable(t, b)
			browser.New(t, h).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"}).WantCode(503, "SERVICE_UNAVAILABLE")

			proxy.Start()
			soon(t, 5*time.Second, func() bool { return b.Get("/me").Status == 200 })
			thief := b.Clone()
			soon(t, 5*time.Second, func() bool { return b.Post("/api/auth/sign-out", m{}).Status == 200 })
			soon(t, 5*time.Second, func() bool { return thief.Get("/me").Status == 401 })
		})
	}
}

// With Redis down the limit goes on by the same rule in the process.
func TestLimitsHoldWhileRedisIsDown(t *testing.T) {
	t.Parallel()
	address, proxy := proxied(t, testenv.Redis(t))
	kv := openRedis(t, address, testenv.Prefix(t))
	cfg := config(memory.New(), nil)
	cfg.RateLimit.Disabled = false
	cfg.RateLimit.Storage = limitsOf(t, kv)
	h := application(newAuth(t, cfg))
	proxy.Stop()
	statuses := together(100, func(int) int {
		return browser.New(t, h).Post("/api/auth/sign-in/email", m{"email": "nobody@b.com", "password": "password789"}).Status
	})
	if statuses[401] != 3 || statuses[429] != 97 {
		t.Errorf("statuses %v, want three 401 and 97 times 429", statuses)
	}
}

func TestReadySaysWhatIsDown(t *testing.T) {
	t.Parallel()
	address, proxy := proxied(t, testenv.Redis(t))
	var kv secondary.Storage = openRedis(t, address, testenv.Prefix(t))
	auth := newAuth(t, config(memory.New(), kv))
	if err := auth.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.Stop()
	err := auth.Ready(t.Context())
	if err == nil || core.AsError(err).Status != 503 {
		t.Errorf("error %v", err)
	}
	proxy.Start()
	soon(t, 5*time.Second, func() bool { return auth.Ready(t.Context()) == nil })
}
