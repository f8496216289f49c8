package core_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

func TestLimitIgnoresTheRulesOwnPath(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	rule := ratelimit.PerMinute(1)
	rule.Path = "/import"
	for range 5 {
		r := httptest.NewRequest("POST", "/api/import", nil)
		if err := a.Limit(t.Context(), http.Header{}, rule, r, "/api/import"); err != nil {
			return
		}
	}
	t.Error("five requests on a limit of one: the rule silently does not apply")
}

type goTo struct {
	CallbackURL *string `json:"callbackURL" in:"query"`
	RedirectTo  *string `json:"redirectTo" in:"query"`
	Error       *string `json:"errorCallbackURL" in:"query"`
}

type plug struct {
	name string
	add  func(*core.Registry)
}

func (p plug) Name() string { return p.name }

func (p plug) Register(r *core.Registry) error { p.add(r); return nil }

func TestRedirectTargetsInTheQueryAreChecked(t *testing.T) {
	t.Parallel()
	do := func(_ context.Context, _ *core.Request, in goTo) (core.Status, error) {
		return core.Status{Status: true}, nil
	}
	a := newApp(t, withPlugins(plug{"go", func(r *core.Registry) {
		r.Endpoints(
			&core.Endpoint[goTo, core.Status]{Method: "GET", Path: "/go", Do: do},
			&core.Endpoint[goTo, core.Status]{Method: "POST", Path: "/go", Do: do},
		)
	}}))
	b := a.browser(t)
	for _, q := range []string{"callbackURL", "redirectTo", "errorCallbackURL"} {
		if res := b.Get("/api/auth/go?" + q + "=https://evil.example"); res.Status != 403 {
			t.Errorf("GET ?%s=https://evil.example reaches the endpoint (%d)", q, res.Status)
		}
	}
	if res := b.Post("/api/auth/go?callbackURL=https://evil.example", m{"callbackURL": "/ok"}); res.Status != 403 {
		t.Errorf("POST ?callbackURL=evil with a harmless one in the body reaches the endpoint (%d)", res.Status)
	}
}

func TestADuplicateInAnAdditionalFieldIsRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) {
		c.UserFields = []*store.Field{{Name: "handle", Type: store.String, Input: true, Returned: true, Unique: true}}
	})
	a.signUp(t, "a@b.com").Post("/api/auth/update-user", m{"handle": "al"}).Want(200)
	if res := a.signUp(t, "c@d.com").Post("/api/auth/update-user", m{"handle": "al"}); res.Status >= 500 {
		t.Errorf("%d %s", res.Status, res.Body)
	}
}

func TestOverlongOriginsAreTrustedByNoPattern(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) { c.TrustedOrigins = []string{"https://*-preview.*.example.com"} })
	for referer, trusted := range map[string]bool{
		"https://x-preview.team.example.com/page":                              true,
		"https://x-preview.example.com/":                                       false,
		"https://-preview.team.example.com/":                                   false,
		"https://" + strings.Repeat("x-preview.", 2_000) + "team.example.com/": false,
		"https://x-preview.team.example.com/" + strings.Repeat("p", 4_000):     false,
		"https://" + strings.Repeat("x", 250) + "-preview.team.example.com/":   false,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Cookie", "a=b")
		r.Header.Set("Referer", referer)
		if err := a.CheckOrigin(r); (err == nil) != trusted {
			t.Errorf("%.60s…: %v", referer, err)
		}
	}
}

func TestCustomSchemesResolveDotSegments(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) { c.TrustedOrigins = []string{"myapp://cb/safe"} })
	a.signUp(t, "a@b.com")
	for _, target := range []string{"myapp://cb/safe/../evil", "myapp://cb/safe/%2e%2e/evil"} {
		if res := a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "callbackURL": target}); res.Status != 403 {
			t.Errorf("%s: %d", target, res.Status)
		}
	}
}

func TestAPanicInACallFromGoWithdrawsTheSession(t *testing.T) {
	t.Parallel()
	a := newApp(t, withPlugins(plug{"p", func(r *core.Registry) {
		r.Hooks(core.Hook{Path: "/sign-in/*", After: func(context.Context, *core.Request, any, error) (any, error) { panic("x") }})
	}}))
	a.signUp(t, "a@b.com").Post("/api/auth/revoke-sessions", m{}).Want(200)
	func() {
		defer func() { _ = recover() }()
		_, _ = a.SignInEmail(t.Context(), core.SignInEmailInput{Email: "a@b.com", Password: "password789"})
	}()
	if n, _ := a.Database().Count(t.Context(), core.TableSession, store.Where{}); n != 0 {
		t.Errorf("%d sessions are left by a sign-in that panicked", n)
	}
}

// An entrance of a plugin that knows nothing of deletions.
func TestNoEntranceIssuesASessionForADeletedUser(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home, withPlugins(plug{"entrance", func(r *core.Registry) {
			r.Endpoints(&core.Endpoint[core.Nothing, core.Status]{
				Method: "POST", Path: "/enter", SignsIn: true,
				Do: func(ctx context.Context, r *core.Request, _ core.Nothing) (core.Status, error) {
					user, err := r.Auth().Users().ByEmail(ctx, "a@b.com")
					if err != nil {
						return core.Status{}, err
					}
					if err := r.Auth().Users().Delete(ctx, user.ID); err != nil {
						return core.Status{}, err
					}
					_, err = r.Auth().Sessions().Issue(ctx, r, user, true)
					return core.Status{Status: true}, err
				},
			})
		}}))
		a.signUp(t, "a@b.com")
		b := a.browser(t)
		if res := b.Post("/api/auth/enter", m{}); res.Status == 200 || len(res.SetCookies()) > 0 {
			t.Errorf("%d %s, cookies %q", res.Status, res.Body, res.SetCookies())
		}
	})
}

func TestTwoEnginesInOneRequest(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	admin := newApp(t, func(c *core.Config) { c.CookiePrefix = "admin" })
	b := a.signUp(t, "a@b.com")
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = a.Attach(w, r)
		r = admin.Attach(w, r)
		if _, err := a.Authenticate(r.Context()); err != nil {
			t.Errorf("the first engine: %v", err)
		}
	})
	browserOf(t, h, b).Get("/")
}

func TestAmbiguousRoutesAreRefused(t *testing.T) {
	t.Parallel()
	ep := func(path string) core.EndpointDef {
		return &core.Endpoint[core.Nothing, core.Status]{
			Method: "GET", Path: path,
			Do: func(context.Context, *core.Request, core.Nothing) (core.Status, error) { return core.Status{}, nil },
		}
	}
	for _, paths := range [][]string{
		{"/x/:id", "/x/:name"}, {"/:a/z", "/x/:b"}, {"/files/*rest"}, {"/a?b"}, {"/a b"}, {"/x/:"}, {"/x/a:b"}, {"/x/:a/:a"}, {"/../ok"},
	} {
		var defs []core.EndpointDef
		for _, p := range paths {
			defs = append(defs, ep(p))
		}
		auth, err := core.New(core.Config{
			Secret: testSecret, BaseURL: "https://x.com", Store: memory.New(),
			Plugins: []core.Plugin{plug{"p", func(r *core.Registry) { r.Endpoints(defs...) }}},
		})
		if err == nil {
			t.Errorf("%q is accepted", paths)
			_ = auth.Close(context.Background())
		}
	}
	func() {
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("a nil endpoint panics: %v", p)
			}
		}()
		auth, err := core.New(core.Config{
			Secret: testSecret, BaseURL: "https://x.com", Store: memory.New(),
			Plugins: []core.Plugin{plug{"p", func(r *core.Registry) { r.Endpoints(nil) }}},
		})
		if err == nil {
			_ = auth.Close(context.Background())
		}
	}()
	auth, err := core.New(core.Config{Secret: testSecret, BaseURL: "https://x.com", Store: memory.New(), DisabledPaths: []string{"/signup/email"}})
	if err == nil {
		t.Error("DisabledPaths: a path that does not exist is accepted")
		_ = auth.Close(context.Background())
	}
	_, err = core.New(core.Config{Secret: testSecret, BaseURL: "https://*", Store: memory.New()})
	t.Logf("BaseURL with a star: %v", err)
	auth, err = core.New(core.Config{Secret: testSecret, BaseURL: "https://*.example.com", Store: memory.New()})
	if err == nil {
		t.Error("BaseURL with a star trusts every subdomain")
		_ = auth.Close(context.Background())
	}
}

func TestASessionIsLookedUpOnceARequest(t *testing.T) {
	t.Parallel()
	s := &hookedStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) { c.Store = s }, withPlugins(plug{"p", func(r *core.Registry) {
		r.Hooks(core.Hook{Path: "/**", After: func(ctx context.Context, r *core.Request, out any, err error) (any, error) {
			_, _ = r.Identity(ctx)
			return out, err
		}})
	}}))
	b := a.signUp(t, "a@b.com")
	a.clock.Advance(25 * time.Hour)
	s.findSession.Store(0)
	res := b.Get("/api/auth/get-session?disableRefresh=1").Want(200)
	if n := s.findSession.Load(); n != 1 || len(res.SetCookies()) > 0 {
		t.Errorf("%d lookups; cookies in spite of disableRefresh: %d", n, len(res.SetCookies()))
	}
	s.findSession.Store(0)
	a.signIn(t, "a@b.com")
	if n := s.findSession.Load(); n != 0 {
		t.Errorf("sign-in then asks for the session %d times", n)
	}
}

func TestTheIdentityFollowsSignInAndSignOut(t *testing.T) {
	t.Parallel()
	var seen *core.Identity
	a := newApp(t, withPlugins(plug{"p", func(r *core.Registry) {
		r.Hooks(core.Hook{Path: "/sign-in/*", After: func(ctx context.Context, r *core.Request, out any, err error) (any, error) {
			seen, _ = r.Identity(ctx)
			return out, err
		}})
	}}))
	b := a.signUp(t, "a@b.com")
	a.signUp(t, "c@d.com")
	b.Post("/api/auth/sign-in/email", m{"email": "c@d.com", "password": "password789"}).Want(200)
	if seen == nil || seen.User.Email != "c@d.com" {
		t.Errorf("after signing in as c@d.com the request is %q", seen.User.Email)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = a.Attach(w, r)
		_, _ = core.CurrentUser(r.Context())
		if _, err := a.SignOut(r.Context()); err != nil {
			t.Error(err)
		}
		if u, _ := core.CurrentUser(r.Context()); u != nil {
			t.Errorf("after SignOut the request is still %q", u.Email)
		}
	})
	c := browserOf(t, h, b)
	c.Get("/")
}

func TestAnAnswerThatCannotBeEncodedWithdrawsTheSession(t *testing.T) {
	t.Parallel()
	a := newApp(t, withPlugins(plug{"p", func(r *core.Registry) {
		r.Hooks(core.Hook{Path: "/sign-in/*", After: func(context.Context, *core.Request, any, error) (any, error) {
			return func() {}, nil
		}})
	}}))
	a.signUp(t, "a@b.com")
	res := a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"})
	if res.Status == 500 && len(res.SetCookies()) > 0 {
		t.Errorf("500 with a live session cookie: %d cookies", len(res.SetCookies()))
	}
}

func TestRulesCanCountByUser(t *testing.T) {
	t.Parallel()
	var names []string
	a := newApp(t, func(c *core.Config) {
		c.RateLimit = ratelimit.Config{Rules: []ratelimit.Rule{{Path: "/update-user", Max: 100, Window: time.Minute, By: func(r *http.Request) string {
			u, _ := core.CurrentUser(r.Context())
			if u == nil {
				names = append(names, "")
				return ""
			}
			names = append(names, u.ID)
			return u.ID
		}}}}
	})
	a.signUp(t, "a@b.com").Post("/api/auth/update-user", m{"name": "x"}).Want(200)
	if len(names) != 1 || names[0] == "" {
		t.Errorf("the rule counted for %q: all users share one count", names)
	}
}

func TestUpdatingADeletedUserIsUnauthorized(t *testing.T) {
	t.Parallel()
	kv := &hookedKV{}
	a := newApp(t, withKV(t, kv))
	b := a.signUp(t, "a@b.com")
	if _, err := a.Database().Delete(t.Context(), core.TableAccount, store.All()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Database().Delete(t.Context(), core.TableUser, store.All()); err != nil {
		t.Fatal(err)
	}
	if res := b.Post("/api/auth/update-user", m{"name": "x"}); res.Status >= 500 {
		t.Errorf("%d %s", res.Status, res.Body)
	}
}

func TestARefusedSignInLeadsNowhere(t *testing.T) {
	t.Parallel()
	a := newApp(t, withPlugins(plug{"p", func(r *core.Registry) {
		r.Hooks(core.Hook{Path: "/sign-in/*", After: func(context.Context, *core.Request, any, error) (any, error) { return nil, core.ErrEmailNotVerified }})
	}}))
	a.signUp(t, "a@b.com")
	res := a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "callbackURL": "/in"})
	if res.Header.Get("Location") != "" {
		t.Errorf("%d with Location %q", res.Status, res.Header.Get("Location"))
	}
}
