package adaptertest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/ratelimit"
)

// cases are what every adapter must do, on applications of their own.
var cases = []struct {
	name string
	test func(*testing.T, *bench)
}{
	{"endpoints are limited", endpointsAreLimited},
	{"other methods on endpoints are not found", otherMethodsAreNotFound},
	{"paths that are none of ours are the application's 404", foreignPathsAreNotOurs},
	{"the application has routes beside the endpoints", ownRoutesBesideEndpoints},
	{"a parameter is one segment", aParameterIsOneSegment},
	{"middleware of the group runs on endpoints", groupMiddlewareRuns},
	{"an optional session is somebody or nobody", optionalSession},
	{"the session is in both contexts", sessionInBothContexts},
	{"missing is 401", missingIs401},
	{"not fresh is 403", notFreshIs403},
	{"an ended session is 401 and its cookie goes", endedSession},
	{"a limit counts by route pattern", limitByPattern},
	{"a route can check the origin", originOfOwnRoutes},
	{"a page can sign the browser in", pageSignsIn},
	{"a panic of the application is its own", panicOfTheApplication},
	{"a storage that is down is 503 everywhere", storageDown},
	{"errors of the engine are answered from any handler", errorsFromHandlers},
	{"the application can answer refusals itself", ownErrorPages},
	{"nothing is read until somebody asks", laziness},
	{"middleware twice is middleware once", middlewareTwice},
	{"forwarding headers of a client change nothing", spoofedHeaders},
	{"an extended session reaches the browser", refreshReachesTheBrowser},
	{"many goroutines of a request ask once", manyGoroutines},
	{"many requests at once", manyRequests},
	{"handlers can stream and hijack", streamAndHijack},
}

func endpointsAreLimited(t *testing.T, b *bench) {
	a := b.app(t, func(cfg *core.Config, _ *App) { cfg.RateLimit = ratelimit.Config{} })
	visitor := a.browser()
	wrong := m{"email": "a@b.com", "password": "wrong"}
	for range 3 {
		visitor.Post(prefix+"/sign-in/email", wrong).WantCode(401, "INVALID_EMAIL_OR_PASSWORD")
	}
	res := visitor.Post(prefix+"/sign-in/email", wrong).WantCode(429, "TOO_MANY_REQUESTS")
	for _, name := range []string{"X-Retry-After", "Retry-After"} {
		if got := res.Header.Get(name); got != "10" {
			t.Errorf("%s %q, want 10", name, got)
		}
	}
	a.clock.Advance(10 * time.Second)
	visitor.Post(prefix+"/sign-in/email", wrong).Want(401)
}

func otherMethodsAreNotFound(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	served := map[string]bool{}
	for _, route := range a.App.Auth.Routes() {
		served[route.Method+prefix+route.Path] = true
	}
	for _, route := range a.Routes {
		served[route.Method+route.Path] = true
	}
	for _, route := range a.App.Auth.Routes() {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"} {
			if served[method+prefix+route.Path] {
				continue
			}
			path := prefix + strings.ReplaceAll(route.Path, ":id", "1")
			res := visitor.Do(method, path, "application/json", strings.NewReader(`{}`))
			if !isForeign(res) || len(res.SetCookies()) > 0 || res.Header.Get("Allow") != "" {
				t.Errorf("%s %s: %d %q, header %v", method, path, res.Status, res.Body, res.Header)
			}
		}
	}
	if n := a.sessions(); n != 1 || visitor.Get(prefix+"/get-session").Want(200).Body == "null" {
		t.Errorf("%d sessions are left", n)
	}
}

// isForeign reports whether the application has said that there is no such
// route: endpoints forbid to cache whatever they answer.
func isForeign(res *browser.Answer) bool {
	return res.Status == 404 && res.Text("code") == "NOT_FOUND" && res.Header.Get("Cache-Control") == ""
}

func foreignPathsAreNotOurs(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	for _, path := range []string{
		"/api/authevil/get-session", prefix + "/nope", prefix, prefix + "/", prefix + "//get-session", prefix + "/get-session/",
		prefix + "/GET-SESSION", "/get-session", "/api/get-session", "/", "/api", prefix + "/sign-in", prefix + "/sign-in/email/more",
		prefix + "%2Fget-session", prefix + "/%67et-session", prefix + "/./get-session", prefix + "/x/../get-session",
	} {
		if res := visitor.Get(path); !isForeign(res) {
			t.Errorf("%s: %d %q, header %v", path, res.Status, res.Body, res.Header)
		}
	}
}

func ownRoutesBesideEndpoints(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.browser()
	visitor.Get(prefix + "/ok").Want(200)
	for _, rt := range []struct{ method, path string }{{"GET", "/custom"}, {"GET", "/ok2"}, {"PUT", "/ok"}} {
		res := visitor.Do(rt.method, prefix+rt.path, "", nil).Want(200)
		if res.JSON("hello") != true || res.Header.Get("Cache-Control") != "" {
			t.Errorf("%s %s: %s, header %v", rt.method, rt.path, res.Body, res.Header)
		}
	}
}

func aParameterIsOneSegment(t *testing.T, b *bench) {
	visitor := b.app(t).browser()
	for sent, want := range map[string]string{
		"1": "1", "1?id=2": "1", "a-b": "a-b", "x%20y": "x y", "a%2Fb": "a/b", "%2F": "/", "%252F": "%2F", "a+b": "a+b", ":id": ":id", "*": "*",
	} {
		if got := visitor.Get(prefix + "/things/" + sent).Want(200).Text("thing"); got != want {
			t.Errorf("%s: thing %q, want %q", sent, got, want)
		}
	}
	for _, path := range []string{"/things", "/things/", "/things/1/", "/things/1/more", "/things//1", "/things//"} {
		if res := visitor.Get(prefix + path); !isForeign(res) {
			t.Errorf("%s: %d %q", path, res.Status, res.Body)
		}
	}
}

func groupMiddlewareRuns(t *testing.T, b *bench) {
	a := b.app(t)
	want := ""
	if a.OnGroup {
		want = "auth"
	}
	visitor := a.browser()
	for _, path := range []string{"/ok", "/get-session", "/things/1"} {
		if got := visitor.Get(prefix + path).Want(200).Header.Get("X-Group"); got != want {
			t.Errorf("%s: X-Group %q, want %q", path, got, want)
		}
	}
	if got := visitor.Get("/public").Want(200).Header.Get("X-Group"); got != "" {
		t.Errorf("a route outside of the group has X-Group %q", got)
	}
}

func optionalSession(t *testing.T, b *bench) {
	a := b.app(t)
	somebody, nobody := a.signedIn(), a.browser()
	for _, path := range []string{"/optional", "/user", "/fan-out"} {
		if res := nobody.Get(path).Want(200); res.JSON("user") != nil {
			t.Errorf("%s: nobody is %s", path, res.Body)
		}
		if got := somebody.Get(path).Want(200).Text("user"); got != "a@b.com" {
			t.Errorf("%s: user %q", path, got)
		}
	}
	forged := a.browser()
	forged.SetCookie(sessionCookie, strings.ToUpper(somebody.Cookie(sessionCookie)))
	if res := forged.Get("/optional").Want(200); res.JSON("user") != nil {
		t.Errorf("a forged cookie is %s", res.Body)
	}
}

func sessionInBothContexts(t *testing.T, b *bench) {
	a := b.app(t)
	res := a.signedIn().Get("/session").Want(200)
	if res.Text("user") != "a@b.com" || res.JSON("agree") != true {
		t.Errorf("body %s", res.Body)
	}
	// Without the middleware there is nobody, rather than a panic.
	res = a.browser().Get("/unattached").Want(200)
	if res.JSON("user") != nil || res.JSON("agree") != true {
		t.Errorf("body %s", res.Body)
	}
}

func missingIs401(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.browser()
	for _, res := range []*browser.Answer{
		visitor.Get("/api/me"), visitor.Get("/session"), visitor.Get("/twice"), visitor.Post("/api/fresh", m{}), visitor.Post("/unchecked", m{}),
	} {
		res.WantCode(401, "UNAUTHORIZED")
		if len(res.SetCookies()) > 0 || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
			t.Errorf("header %v", res.Header)
		}
	}
	if n := a.store.calls.Load(); n != 0 {
		t.Errorf("%d calls of the store for requests without a cookie", n)
	}
}

func notFreshIs403(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	visitor.Post("/api/fresh", m{}).Want(200)
	a.clock.Advance(24 * time.Hour)
	visitor.Post("/api/fresh", m{}).WantCode(403, "SESSION_NOT_FRESH")
	visitor.Get("/api/me").Want(200)
}

func endedSession(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	visitor.Clone().Post(prefix+"/sign-out", m{}).Want(200)
	visitor.Get("/api/me").WantCode(401, "UNAUTHORIZED")
	if got := visitor.Cookie(sessionCookie); got != "" {
		t.Errorf("the browser still holds %q", got)
	}
}

func limitByPattern(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.browser()
	for _, path := range []string{"/users/1", "/users/2?x=1", "/users/1"} {
		visitor.Get(path).Want(200)
	}
	a.clock.Advance(4 * time.Second)
	res := visitor.Get("/users/3?y=2").WantCode(429, "TOO_MANY_REQUESTS")
	for _, name := range []string{"Retry-After", "X-Retry-After"} {
		if got := res.Header.Get(name); got != "6" {
			t.Errorf("%s %q, want 6", name, got)
		}
	}
	if len(res.Header["Ratelimit"]) == 0 || len(res.Header["Ratelimit-Policy"]) == 0 {
		t.Errorf("header %v", res.Header)
	}
	visitor.Get("/people/1").Want(200)
	other := a.browser()
	other.RemoteAddr = "192.0.2.2:40000"
	other.Get("/users/1").Want(200)
	a.clock.Advance(6 * time.Second)
	visitor.Get("/users/1").Want(200)
}

func originOfOwnRoutes(t *testing.T, b *bench) {
	visitor := b.app(t).signedIn()
	visitor.Post("/note", m{}).Want(200)
	visitor.Header.Set("Origin", "https://evil.example")
	visitor.Post("/note", m{}).WantCode(403, "INVALID_ORIGIN")
	// Only the guard looks.
	visitor.Post("/unchecked", m{}).Want(200)
	visitor.Header.Del("Origin")
	visitor.Post("/note", m{}).WantCode(403, "MISSING_OR_NULL_ORIGIN")
}

func pageSignsIn(t *testing.T, b *bench) {
	a := b.app(t)
	a.browser().Post(prefix+"/sign-up/email", m{"name": "Al", "email": "a@b.com", "password": password}).Want(200)
	const form = "application/x-www-form-urlencoded"
	visitor := a.browser()
	res := visitor.Do(http.MethodPost, "/login", form, strings.NewReader("email=a%40b.com&password=wrong"))
	res.WantCode(401, "INVALID_EMAIL_OR_PASSWORD")
	if len(res.SetCookies()) > 0 {
		t.Errorf("cookies of a refused sign-in: %q", res.SetCookies())
	}
	visitor.Do(http.MethodPost, "/login", form, strings.NewReader("email=a%40b.com&password="+password)).Want(200)
	visitor.Get("/api/me").Want(200)
}

func panicOfTheApplication(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	res := visitor.Get("/panic").Want(500)
	if strings.Contains(res.Body, "secret") || strings.Contains(res.Body, "goroutine") || len(res.SetCookies()) > 0 {
		t.Errorf("body %q, cookies %q", res.Body, res.SetCookies())
	}
	visitor.Get("/api/me").Want(200)
}

// asks are the requests that need to know who is signed in.
var asks = []struct{ method, path string }{
	{"GET", "/optional"},
	{"GET", "/user"},
	{"GET", "/session"},
	{"GET", "/api/me"},
	{"POST", "/api/fresh"},
	{"GET", "/twice"},
	{"GET", "/fan-out"},
	{"GET", prefix + "/get-session"},
	{"GET", prefix + "/list-sessions"},
	{"POST", prefix + "/sign-out"},
}

func storageDown(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	cookie := visitor.Cookie(sessionCookie)
	a.StoreDown(true)
	for _, ask := range asks {
		logged := len(a.Log())
		res := visitor.Do(ask.method, ask.path, "application/json", strings.NewReader(`{}`))
		res.WantCode(503, "SERVICE_UNAVAILABLE")
		// Each failure is reported once; the line says how many there were since
		// the one before, which was longer ago than lines are left out.
		if log := a.Log()[logged:]; strings.Count(log, "\n") != 1 || !strings.Contains(log, "unlogged=0") {
			t.Errorf("%s: logged %q", ask.path, log)
		}
		a.clock.Advance(10 * time.Second)
		if len(res.SetCookies()) > 0 || strings.Contains(res.Body, Detail) {
			t.Errorf("%s: cookies %q, body %s", ask.path, res.SetCookies(), res.Body)
		}
		if res.Header.Get("Retry-After") != "1" || res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: header %v", ask.path, res.Header)
		}
	}
	for _, path := range []string{"/public", "/lazy", "/users/1", prefix + "/ok"} {
		visitor.Get(path).Want(200)
	}
	nobody := a.browser()
	nobody.Get("/optional").Want(200)
	nobody.Get("/api/me").Want(401)
	a.StoreDown(false)
	if visitor.Cookie(sessionCookie) != cookie {
		t.Error("the cookie has changed")
	}
	for _, ask := range asks {
		visitor.Do(ask.method, ask.path, "application/json", strings.NewReader(`{}`)).Want(200)
	}
}

func errorsFromHandlers(t *testing.T, b *bench) {
	visitor := b.app(t).browser()
	for _, c := range []struct {
		how        string
		status     int
		code       string
		retryAfter string
	}{
		{"sentinel", 401, "UNAUTHORIZED", ""},
		{"wrapped", 403, "SESSION_NOT_FRESH", ""},
		{"retry", 429, "TOO_MANY_REQUESTS", "90"},
		{"cause", 401, "UNAUTHORIZED", ""},
		{"storage", 503, "SERVICE_UNAVAILABLE", "1"},
	} {
		res := visitor.Get("/fails?how="+c.how).WantCode(c.status, c.code)
		if got := res.Header.Get("Retry-After"); got != c.retryAfter {
			t.Errorf("%s: Retry-After %q, want %q", c.how, got, c.retryAfter)
		}
		if strings.Contains(res.Body, Detail) || strings.Contains(res.Body, "import") {
			t.Errorf("%s: body %s", c.how, res.Body)
		}
	}
}

func ownErrorPages(t *testing.T, b *bench) {
	a := b.app(t, func(_ *core.Config, app *App) { app.OwnErrors = true })
	visitor := a.signedIn()
	want := func(method, path string, status int, page string) {
		t.Helper()
		if res := visitor.Do(method, path, "", nil).Want(status); res.Body != page {
			t.Errorf("%s: page %q, want %q", path, res.Body, page)
		}
	}
	cookie := visitor.Cookie(sessionCookie)
	visitor.SetCookie(sessionCookie, "")
	for _, path := range []string{"/api/me", "/session", "/fails?how=sentinel", "/fails?how=cause"} {
		want("GET", path, 401, "Please sign in")
	}
	visitor.SetCookie(sessionCookie, cookie)
	a.StoreDown(true)
	for _, ask := range asks {
		// An endpoint answers for itself; so does Gin's middleware for a panic.
		if !strings.HasPrefix(ask.path, prefix) && ask.path != "/user" {
			want(ask.method, ask.path, 503, "We are having trouble")
		}
	}
	want("GET", "/fails?how=storage", 503, "We are having trouble")
	a.StoreDown(false)
	for range 3 {
		visitor.Get("/people/1").Want(200)
	}
	want("GET", "/people/2", 429, "Slow down")
	want("GET", "/fails?how=wrapped", 403, "Please confirm your password")
	a.clock.Advance(24 * time.Hour)
	want("POST", "/api/fresh", 403, "Please confirm your password")
	visitor.Header.Set("Origin", "https://evil.example")
	want("POST", "/note", 403, "That came from another site")
	visitor.Get(prefix + "/things/1").Want(200)
	visitor.Get("/nowhere").Want(404)
}

func laziness(t *testing.T, b *bench) {
	a := b.app(t)
	somebody, nobody := a.signedIn(), a.browser()
	for _, c := range []struct {
		visitor *browser.Browser
		path    string
		calls   int64
	}{
		{somebody, "/lazy", 0},
		{somebody, "/public", 0},
		{somebody, "/users/1", 0},
		{nobody, "/optional", 0},
		{nobody, "/user", 0},
		{somebody, "/optional", 1},
		{somebody, "/api/me", 1},
		{somebody, "/session", 1},
		{somebody, "/twice", 1},
	} {
		a.store.calls.Store(0)
		c.visitor.Get(c.path).Want(200)
		if n := a.store.calls.Load(); n != c.calls {
			t.Errorf("%s: %d calls of the store, want %d", c.path, n, c.calls)
		}
	}
}

func middlewareTwice(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	res := visitor.Get("/twice").Want(200)
	if res.JSON("agree") != true {
		t.Errorf("body %s", res.Body)
	}
	a.clock.Advance(25 * time.Hour)
	res = visitor.Get("/twice").WantCode(403, "SESSION_NOT_FRESH")
	if n := strings.Count(res.Body, "code"); n != 1 || len(res.SetCookies()) != 1 {
		t.Errorf("body %s, cookies %q", res.Body, res.SetCookies())
	}
}

func spoofedHeaders(t *testing.T, b *bench) {
	a := b.app(t)
	spoof := func(visitor *browser.Browser, i int) {
		for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Cf-Connecting-Ip", "True-Client-Ip", "X-Client-Ip"} {
			visitor.Header.Set(name, fmt.Sprintf("203.0.113.%d", i))
		}
		visitor.Header.Set("Forwarded", fmt.Sprintf("for=203.0.113.%d;proto=https;host=evil.example", i))
		visitor.Header.Set("X-Forwarded-Proto", "https")
		visitor.Header.Set("X-Forwarded-Protocol", "https")
		visitor.Header.Set("X-Forwarded-Ssl", "on")
		visitor.Header.Set("X-Url-Scheme", "https")
		visitor.Header.Set("X-Forwarded-Host", "evil.example")
		visitor.Header.Set("X-Forwarded-Prefix", "/evil")
		visitor.Header.Set("X-Http-Method-Override", "DELETE")
	}
	visitor := a.browser()
	for i := range 6 {
		spoof(visitor, i)
		want := 200
		if i >= Rule.Max {
			want = 429
		}
		visitor.Get("/users/1").Want(want)
	}
	res := visitor.Post(prefix+"/sign-up/email", m{"name": "Al", "email": "a@b.com", "password": password}).Want(200)
	for _, line := range res.SetCookies() {
		if strings.HasPrefix(line, "__Secure-") || strings.Contains(line, "Secure") {
			t.Errorf("Set-Cookie %q", line)
		}
	}
	if got := visitor.Get(prefix+"/get-session").Text("session", "ipAddress"); got != "192.0.2.1" {
		t.Errorf("the session's address is %q", got)
	}
	visitor.Header.Set("Origin", "https://evil.example")
	visitor.Post("/note", m{}).WantCode(403, "INVALID_ORIGIN")
	visitor.Post(prefix+"/update-user", m{"name": "Bo"}).WantCode(403, "INVALID_ORIGIN")
}

func refreshReachesTheBrowser(t *testing.T, b *bench) {
	for _, path := range []string{"/api/me", "/user", "/optional", "/session", "/fan-out"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			a := b.app(t)
			visitor := a.signedIn()
			a.clock.Advance(25 * time.Hour)
			if res := visitor.Get("/lazy").Want(200); len(res.SetCookies()) > 0 {
				t.Errorf("nobody asked, and the cookies are %q", res.SetCookies())
			}
			cookies := visitor.Get(path).Want(200).SetCookies()
			if len(cookies) != 1 || !strings.HasPrefix(cookies[0], sessionCookie+"=") || !strings.Contains(cookies[0], "Max-Age=604800") {
				t.Errorf("cookies %q", cookies)
			}
			if cookies := visitor.Get(path).Want(200).SetCookies(); len(cookies) > 0 {
				t.Errorf("extended again: %q", cookies)
			}
		})
	}
}

func manyGoroutines(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	a.store.calls.Store(0)
	if got := visitor.Get("/fan-out").Want(200).Text("user"); got != "a@b.com" {
		t.Errorf("user %q", got)
	}
	if n := a.store.calls.Load(); n != 1 {
		t.Errorf("%d calls of the store, want 1", n)
	}
	a.StoreDown(true)
	visitor.Get("/fan-out").WantCode(503, "SERVICE_UNAVAILABLE")
}

func manyRequests(t *testing.T, b *bench) {
	a := b.app(t)
	somebody := a.signedIn()
	var wg sync.WaitGroup
	var mu sync.Mutex
	limited := 0
	for range 20 {
		visitor, nobody := somebody.Clone(), a.browser()
		wg.Go(func() {
			if res := visitor.Get("/session"); res.Status != 200 || res.Text("user") != "a@b.com" {
				t.Errorf("%d %s", res.Status, res.Body)
			}
			if res := nobody.Get("/optional"); res.Status != 200 || res.JSON("user") != nil {
				t.Errorf("%d %s", res.Status, res.Body)
			}
			if res := nobody.Get("/api/me"); res.Status != 401 {
				t.Errorf("%d %s", res.Status, res.Body)
			}
			if res := nobody.Get("/users/1"); res.Status == 429 {
				mu.Lock()
				defer mu.Unlock()
				limited++
			}
		})
	}
	wg.Wait()
	if limited != 20-Rule.Max {
		t.Errorf("%d requests are refused, want %d", limited, 20-Rule.Max)
	}
}

func streamAndHijack(t *testing.T, b *bench) {
	a := b.app(t)
	visitor := a.signedIn()
	server := httptest.NewServer(a.handler)
	t.Cleanup(server.Close)
	visit := func(path string, look func(status int, body *bufio.Reader)) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", sessionCookie+"="+visitor.Cookie(sessionCookie))
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		look(res.StatusCode, bufio.NewReader(res.Body))
	}
	visit("/stream", func(_ int, body *bufio.Reader) {
		if line, err := body.ReadString('\n'); err != nil || line != "one\n" {
			t.Fatalf("first line %q (%v)", line, err)
		}
		close(a.flushed)
		if rest, err := io.ReadAll(body); err != nil || string(rest) != "two\n" {
			t.Errorf("the rest is %q (%v)", rest, err)
		}
	})
	visit("/hijack", func(status int, _ *bufio.Reader) {
		if status != 299 {
			t.Errorf("status %d", status)
		}
	})
}

// mountElsewhere tries prefixes that are not the engine's base path.
func mountElsewhere(t *testing.T, adapter Adapter) {
	auth := NewEngine(t).Auth
	mount := func(prefix string) (p any) {
		defer func() { p = recover() }()
		adapter.MountOnGroup(auth, prefix)
		return nil
	}
	if p := mount(prefix); p != nil {
		t.Errorf("on %s: %v", prefix, p)
	}
	for _, elsewhere := range []string{"", "/auth", "/api/auth2", "/api/auth/v1", "/api/auth/"} {
		text, _ := mount(elsewhere).(string)
		if !strings.Contains(text, prefix) || !strings.Contains(text, "mount on") {
			t.Errorf("on %q: panic %q", elsewhere, text)
		}
	}
	auth = NewEngine(t, func(cfg *core.Config) { cfg.BasePath = "/" }).Auth
	if p := mount(""); p != nil {
		t.Errorf("at the root: %v", p)
	}
}
