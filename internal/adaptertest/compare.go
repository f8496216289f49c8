package adaptertest

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/ratelimit"
)

// request is one of the fixed list. The requests are sent in order; whoever
// signs in stays so for those that are signed in.
type request struct {
	method, path string
	body         string // JSON unless header says otherwise
	header       http.Header
	signedIn     bool
	status       int // wanted
}

// credentials are the body of a sign-in, or, with more, of a sign-up.
func credentials(email, password, more string) string {
	return fmt.Sprintf(`{"email":%q,"password":%q%s}`, email, password, more)
}

var (
	evil  = http.Header{"Origin": {"https://evil.example"}}
	plain = http.Header{"Content-Type": {"text/plain"}}
	form  = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
)

var requests = []request{
	{method: "GET", path: prefix + "/ok", status: 200},
	{method: "GET", path: prefix + "/error", status: 200},
	{method: "GET", path: prefix + "/error?error=%3Cb%3E&error_description=%3Ci%3E", status: 200},
	{method: "GET", path: prefix + "/error?error=a&error=b", status: 400},
	{method: "GET", path: prefix + "/get-session", status: 200},
	{method: "POST", path: prefix + "/sign-up/email", body: `{`, status: 400},
	{method: "POST", path: prefix + "/sign-up/email", body: credentials("<b>", "x", ""), status: 400},
	{method: "POST", path: prefix + "/sign-up/email", body: credentials("a@b.com", "short", `,"name":"Al"`), status: 400},
	{method: "POST", path: prefix + "/sign-up/email", body: credentials("a@b.com", password, `,"name":"Al"`), status: 200},
	{method: "POST", path: prefix + "/sign-up/email", body: credentials("A@b.com", password, `,"name":"Al"`), status: 422},
	{method: "POST", path: prefix + "/sign-in/email", body: credentials("a@b.com", "wrong", ""), status: 401},
	{method: "POST", path: prefix + "/sign-in/email", body: credentials("a@b.com", password, ""), header: plain, status: 415},
	{method: "POST", path: prefix + "/sign-in/email", body: credentials("a@b.com", password, ""), header: evil, status: 403},
	{method: "POST", path: prefix + "/sign-in/email", body: credentials("a@b.com", password, `,"callbackURL":"//evil"`), status: 403},
	{method: "POST", path: prefix + "/sign-in/email", body: credentials("a@b.com", password, `,"callbackURL":"/home"`), status: 200},
	{method: "POST", path: prefix + "/sign-in/email", body: "email=a%40b.com&password=" + password, header: form, status: 200},
	{method: "POST", path: prefix + "/sign-in/email", body: `{"email":"` + strings.Repeat("e", 2<<20) + `"}`, status: 413},
	{method: "GET", path: prefix + "/get-session", signedIn: true, status: 200},
	{method: "GET", path: prefix + "/get-session?disableRefresh=1&x=%zz", signedIn: true, status: 400},
	{method: "GET", path: prefix + "/get-session", header: http.Header{"Cookie": {"x=" + strings.Repeat("y", 20<<10)}}, status: 431},
	{method: "GET", path: prefix + "/get-session", header: http.Header{"Cookie": {sessionCookie + "=forged.AAAA"}}, status: 200},
	{method: "POST", path: prefix + "/get-session", body: `{}`, signedIn: true, status: 405},
	{method: "POST", path: prefix + "/update-user", body: `{"name":"<Bo> & \u2028"}`, signedIn: true, status: 200},
	{method: "POST", path: prefix + "/update-user", body: `{"name":"Bo"}`, status: 401},
	{method: "POST", path: prefix + "/update-user", body: `{"name":"Bo"}`, header: http.Header{"Origin": {browser.Origin, browser.Origin}}, signedIn: true, status: 400},
	{method: "GET", path: prefix + "/list-sessions", signedIn: true, status: 200},
	{method: "GET", path: prefix + "/list-sessions", status: 401},
	{method: "GET", path: prefix + "/things/1?x=2", status: 200},
	{method: "PUT", path: prefix + "/sign-in/email", status: 404},
	{method: "GET", path: prefix + "/sign-in/email", status: 404},
	{method: "HEAD", path: prefix + "/ok", status: 404},
	{method: "OPTIONS", path: prefix + "/ok", status: 404},
	{method: "GET", path: prefix, status: 404},
	{method: "GET", path: prefix + "/", status: 404},
	{method: "GET", path: prefix + "/ok/", status: 404},
	{method: "GET", path: prefix + "/OK", status: 404},
	{method: "GET", path: prefix + "/%6Fk", status: 404},
	{method: "GET", path: prefix + "%2Fok", status: 404},
	{method: "GET", path: "/api/authevil/ok", status: 404},
	{method: "GET", path: "/nowhere", status: 404},
	{method: "GET", path: prefix + "/custom", status: 200},
	{method: "PUT", path: prefix + "/ok", status: 200},
	{method: "GET", path: "/public", status: 200},
	{method: "GET", path: "/optional", status: 200},
	{method: "GET", path: "/optional", signedIn: true, status: 200},
	{method: "GET", path: "/user", signedIn: true, status: 200},
	{method: "GET", path: "/api/me", signedIn: true, status: 200},
	{method: "GET", path: "/api/me", status: 401},
	{method: "POST", path: "/note", header: evil, signedIn: true, status: 403},
	{method: "GET", path: "/fails?how=retry", status: 429},
	{method: "GET", path: "/fails?how=storage", status: 503},
	{method: "GET", path: "/users/1", status: 200},
	{method: "GET", path: "/users/2", status: 200},
	{method: "GET", path: "/users/3", status: 200},
	{method: "GET", path: "/users/4", status: 429},
	{method: "POST", path: prefix + "/sign-out", body: `{}`, signedIn: true, status: 200},
	{method: "GET", path: "/api/me", signedIn: true, status: 401},
}

// compare sends the fixed list to the adapter's application and to the one on
// net/http, over real connections. Everything must be the same: status, header
// and body, ids and tokens not excepted, because clock and chance are.
func compare(t *testing.T, adapter Adapter, layout func(*App)) {
	got := transcript(t, adapter.Build, layout)
	want := transcript(t, NetHTTP, layout)
	for i, r := range requests {
		if got[i] != want[i] {
			t.Errorf("%s %s: got\n%s\nand on net/http\n%s", r.method, r.path, got[i], want[i])
		}
	}
}

func transcript(t *testing.T, build func(App) http.Handler, layout func(*App)) []string {
	t.Helper()
	a := (&bench{build: build, layout: layout}).app(t, func(cfg *core.Config, _ *App) {
		cfg.Rand = &chance{source: rand.NewChaCha8([32]byte{1})}
		cfg.RateLimit = ratelimit.Config{Headers: true, Max: 1000, Rules: []ratelimit.Rule{{Path: "/**", Max: 1000}}}
	})
	server := httptest.NewServer(a.handler)
	t.Cleanup(server.Close)
	client := &http.Client{
		Transport:     server.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var answers []string
	cookie := ""
	for _, rq := range requests {
		r, err := http.NewRequestWithContext(t.Context(), rq.method, server.URL+rq.path, strings.NewReader(rq.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Origin": {browser.Origin}, "Content-Type": {"application/json"}, "User-Agent": {"browser/1"}}
		if rq.signedIn {
			r.Header.Set("Cookie", cookie)
		}
		maps.Copy(r.Header, rq.header)
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", rq.method, rq.path, err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatalf("%s %s: %v", rq.method, rq.path, err)
		}
		if res.StatusCode != rq.status {
			t.Errorf("%s %s: status %d, want %d; body %s", rq.method, rq.path, res.StatusCode, rq.status, body)
		}
		for _, c := range res.Cookies() {
			if c.Name == sessionCookie && c.MaxAge >= 0 {
				cookie = c.Name + "=" + c.Value
			}
		}
		answers = append(answers, dump(res, body))
	}
	return answers
}

// dump writes an answer down, without what is a framework's spelling of JSON
// or the server's own.
func dump(res *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s\n", res.Status)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		for _, value := range res.Header[name] {
			switch name {
			case "Date", "Content-Length":
				value = "…"
			case "Content-Type":
				value = strings.TrimSuffix(value, "; charset=utf-8")
			case "X-Group":
				if res.StatusCode == http.StatusNotFound {
					continue // which requests for no route are a group's, frameworks disagree about
				}
			}
			fmt.Fprintf(&b, "  %s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "  %s", strings.TrimSuffix(string(body), "\n"))
	return b.String()
}

// chance is the same at every run.
type chance struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

func (c *chance) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.source.Read(p)
}
