package core_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
)

const jsonType = "application/json"

func TestBodiesAreReadStrictly(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.signUp(t, "a@b.com")
	const path = "/api/auth/sign-in/email"
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		code, message           string
	}{
		{"cut off", jsonType, `{"email":`, 400, "BAD_REQUEST", "Invalid JSON in request body"},
		{"array", jsonType, `[]`, 400, "VALIDATION_ERROR", "[body] Invalid input: expected object, received array"},
		{"null", jsonType, `null`, 400, "VALIDATION_ERROR", "[body] Invalid input: expected object, received null"},
		{"text", jsonType, `"x"`, 400, "VALIDATION_ERROR", "[body] Invalid input: expected object, received string"},
		{"number", jsonType, `1`, 400, "VALIDATION_ERROR", "[body] Invalid input: expected object, received number"},
		{"empty", jsonType, ``, 400, "VALIDATION_ERROR", "[body] Invalid input: expected object, received undefined"},
		{"wrong types", jsonType, `{"email":{},"password":[]}`, 400, "VALIDATION_ERROR", "[body.email] Invalid input: expected string, received object; [body.password] Invalid input: expected string, received array"},
		{"null for an optional one", jsonType, `{"email":"a@b.com","password":"password789","rememberMe":null}`, 400, "VALIDATION_ERROR", "[body.rememberMe] Invalid input: expected boolean, received null"},
		{"other case", jsonType, `{"Email":"a@b.com","password":"password789"}`, 400, "VALIDATION_ERROR", "[body.email] Invalid input: expected string, received undefined"},
		{"twice", jsonType, `{"email":"a@b.com","email":"c@d.com","password":"password789"}`, 400, "BAD_REQUEST", ""},
		{"more behind it", jsonType, `{"email":"a@b.com","password":"password789"} {}`, 400, "BAD_REQUEST", ""},
		{"lone surrogate", jsonType, `{"email":"a@b.com","password":"\ud800aaaaaaaa"}`, 400, "BAD_REQUEST", ""},
		{"invalid UTF-8", jsonType, "{\"email\":\"a@b.com\",\"password\":\"\xff\xfeaaaaaaa\"}", 400, "BAD_REQUEST", ""},
		{"nested without end", jsonType, `{"email":` + strings.Repeat("[", 100_000), 400, "BAD_REQUEST", ""},
		{"plain text", "text/plain", `{"email":"a@b.com","password":"password789"}`, 415, "UNSUPPORTED_MEDIA_TYPE", `Content-Type "text/plain" is not allowed. Allowed types: application/x-www-form-urlencoded, application/json`},
		{"nearly JSON", "application/jsonx", `{}`, 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"no type", "", `{}`, 415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type is required. Allowed types: application/x-www-form-urlencoded, application/json"},
		{"with a charset", "application/json; charset=utf-8", `{"email":"a@b.com","password":"password789"}`, 200, "", ""},
		{"form", "application/x-www-form-urlencoded", "email=a%40b.com&password=password789", 200, "", ""},
		{"form with a boolean", "application/x-www-form-urlencoded", "email=a%40b.com&password=password789&rememberMe=false", 400, "VALIDATION_ERROR", "[body.rememberMe] Invalid input: expected boolean, received string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := a.PasswordStats().Total
			res := a.browser(t).Do(http.MethodPost, path, c.contentType, strings.NewReader(c.body)).Want(c.status)
			if c.status == 200 {
				return
			}
			res.WantCode(c.status, c.code)
			if got := res.Text("message"); c.message != "" && got != c.message {
				t.Errorf("message %q, want %q", got, c.message)
			}
			if a.PasswordStats().Total != before {
				t.Error("a password was hashed")
			}
		})
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	res := a.browser(t).Post("/api/auth/sign-up/email", m{"name": 1, "email": "x", "password": ""}).WantCode(400, "VALIDATION_ERROR")
	want := "[body.name] Invalid input: expected string, received number; [body.email] Invalid email address; [body.password] Too small: expected string to have >=1 characters"
	if got := res.Text("message"); got != want {
		t.Errorf("message %q", got)
	}
}

func TestOversizedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	b := a.browser(t)
	big := strings.Repeat(" ", 2<<20)
	b.Do(http.MethodPost, "/api/auth/sign-in/email", jsonType, strings.NewReader(big)).WantCode(413, "PAYLOAD_TOO_LARGE")
	b.Do(http.MethodPost, "/api/auth/sign-in/email", jsonType, struct{ *strings.Reader }{strings.NewReader(big)}).WantCode(413, "PAYLOAD_TOO_LARGE")
	b.SetCookie("junk", strings.Repeat("x", 20<<10))
	b.Get("/api/auth/get-session").WantCode(431, "REQUEST_HEADER_FIELDS_TOO_LARGE")
	for name, body := range map[string]m{
		"name":  {"name": strings.Repeat("n", 1<<19), "email": "a@b.com", "password": "password789"},
		"email": {"name": "x", "email": strings.Repeat("e", 400) + "@b.com", "password": "password789"},
		"image": {"name": "x", "email": "a@b.com", "password": "password789", "image": strings.Repeat("i", 100<<10)},
		"NUL":   {"name": "a\x00b", "email": "a@b.com", "password": "password789"},
	} {
		t.Run(name, func(t *testing.T) {
			a.browser(t).Post("/api/auth/sign-up/email", body).WantCode(400, "VALIDATION_ERROR")
		})
	}
}

func TestUnknownRoutesAreNotFound(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	b := a.signUp(t, "a@b.com")
	for _, path := range []string{"/api/auth", "/api/auth/", "/api/auth/nope", "/api/authevil/get-session", "/api/auth//get-session", "/api/auth/get-session/", "/api/auth/GET-SESSION", "/api/auth/get%2Dsession", "/api/auth/get-session%2F", "/api/%61uth/get-session", "/get-session", "/"} {
		b.Get(path).WantCode(404, "NOT_FOUND")
	}
	for _, route := range a.Routes() {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} {
			if method == route.Method || (route.Path == "/get-session" && method == "POST") {
				continue
			}
			if route.Path == "/get-session" && method == "GET" {
				continue
			}
			b.Do(method, "/api/auth"+route.Path, "", nil).Want(404)
		}
	}
}

// A framework may decode a path before it matches it, or let a parameter hold
// more than one segment. The route that it picks then is not served.
func TestARouteServesNoOtherSpellingOfItsPath(t *testing.T) {
	t.Parallel()
	a := newApp(t, withPlugins(newNotes()))
	for _, route := range a.Routes() {
		if route.Method != http.MethodGet || (route.Path != "/ok" && route.Path != "/notes/:id") {
			continue
		}
		b := browser.New(t, route)
		for _, path := range []string{"/api/auth/%6fk", "/api/%61uth/ok", "/api/auth/ok/", "/api/auth//ok", "/api/auth/notes/1/2", "/api/auth/notes/", "/ok"} {
			if res := b.Get(path); res.Status != 404 {
				t.Errorf("%s serves %s: %d %s", route.Path, path, res.Status, res.Body)
			}
		}
	}
	b := a.browser(t)
	b.Get("/api/auth/ok").Want(200)
}

func TestOriginsAreChecked(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) {
		c.TrustedOrigins = []string{"http://app.example.test", "https://*.trusted.example.test", "http://192.168.*.*"}
	})
	signedIn := a.signUp(t, "a@b.com")
	const own = "http://localhost:3000"
	for _, c := range []struct {
		name   string
		cookie bool
		header http.Header
		code   string
	}{
		{"own origin", true, http.Header{"Origin": {own}}, ""},
		{"trusted", true, http.Header{"Origin": {"http://app.example.test"}}, ""},
		{"trusted subdomain", true, http.Header{"Origin": {"https://a.b.trusted.example.test"}}, ""},
		{"trusted address", true, http.Header{"Origin": {"http://192.168.7.9"}}, ""},
		{"referer instead", true, http.Header{"Referer": {own + "/page?x=1"}}, ""},
		{"another site", true, http.Header{"Origin": {"https://evil.example"}}, "INVALID_ORIGIN"},
		{"another site's referer", true, http.Header{"Referer": {"https://evil.example/http://localhost:3000"}}, "INVALID_ORIGIN"},
		{"no origin", true, http.Header{}, "MISSING_OR_NULL_ORIGIN"},
		{"null", true, http.Header{"Origin": {"null"}}, "MISSING_OR_NULL_ORIGIN"},
		{"null from a strict page of ours", true, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}, ""},
		{"other port", true, http.Header{"Origin": {"http://localhost:3001"}}, "INVALID_ORIGIN"},
		{"other scheme of a trusted one", true, http.Header{"Origin": {"http://a.trusted.example.test"}}, "INVALID_ORIGIN"},
		{"the bare domain", true, http.Header{"Origin": {"https://trusted.example.test"}}, "INVALID_ORIGIN"},
		{"a longer domain", true, http.Header{"Origin": {"https://a.trusted.example.test.evil.example"}}, "INVALID_ORIGIN"},
		{"a host that looks like an address", true, http.Header{"Origin": {"http://192.168.evil.example"}}, "INVALID_ORIGIN"},
		{"user in front", true, http.Header{"Origin": {"http://localhost:3000@evil.example"}}, "INVALID_ORIGIN"},
		{"given twice", true, http.Header{"Origin": {own, "https://evil.example"}}, "BAD_REQUEST"},
		{"curl", false, http.Header{}, ""},
		{"no cookie, another site", false, http.Header{"Origin": {"https://evil.example"}}, "INVALID_ORIGIN"},
		{"no cookie, a link elsewhere", false, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED"},
		{"no cookie, a browser without origin", false, http.Header{"Sec-Fetch-Mode": {"cors"}}, "MISSING_OR_NULL_ORIGIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := a.browser(t)
			if c.cookie {
				b = signedIn.Clone()
			}
			b.Header = c.header
			res := b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"})
			if c.code == "" {
				res.Want(200)
				return
			}
			if got := res.Text("code"); got != c.code || len(res.SetCookies()) > 0 {
				t.Errorf("%d %s, want %s; cookies %q", res.Status, got, c.code, res.SetCookies())
			}
		})
	}
}

func TestOriginsOfOneRequestAreTrustedInThatOneOnly(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) {
		c.TrustedOriginsFor = func(r *http.Request) []string { return []string{r.Header.Get("X-Tenant"), "not an origin/"} }
	})
	b := a.signUp(t, "a@b.com")
	b.Header.Set("Origin", "https://shop.example")
	b.Post("/api/auth/update-user", m{"name": "x"}).WantCode(403, "INVALID_ORIGIN")
	b.Header.Set("X-Tenant", "https://shop.example")
	b.Post("/api/auth/update-user", m{"name": "x"}).Want(200)
	b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "callbackURL": "https://shop.example/in"}).Want(200)
	b.Header.Set("X-Tenant", "https://other.example")
	b.Post("/api/auth/update-user", m{"name": "x"}).WantCode(403, "INVALID_ORIGIN")
}

func TestEveryChangingRouteChecksTheOrigin(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	b := a.signUp(t, "a@b.com")
	b.Header.Set("Origin", "https://evil.example")
	for _, route := range a.Routes() {
		if route.Method == http.MethodPost {
			b.Post("/api/auth"+route.Path, m{}).WantCode(403, "INVALID_ORIGIN")
		}
	}
	if b.Get("/api/auth/get-session").Body == "null" {
		t.Error("the session has ended")
	}
}

func TestRedirectTargetsAreChecked(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) { c.TrustedOrigins = []string{"http://app.example.test", "myapp://cb"} })
	a.signUp(t, "a@b.com")
	for target, good := range map[string]bool{
		"/dash": true, "/a/b?x=1#frag": true, "/a~b:c,d": true, "": true,
		"http://localhost:3000/x": true, "http://app.example.test/deep/path?q=1": true, "myapp://cb/done": true,
		"//evil": false, `/\evil`: false, `\\evil`: false, "https://evil": false, "javascript:alert(1)": false,
		"data:text/html,x": false, "evil.com": false, "/%2fevil": false, "/%5Cevil": false, "/a//b": false,
		"/\tevil": false, "/%0d%0aLocation:x": true, "http://app.example.test@evil/": false,
		"http://app.example.test.evil/": false, "myapp://other": false, "MYAPP://cb": true, " /dash": false,
		"http:/evil": false, "http:evil": false, "//localhost:3000": false,
	} {
		res := a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "callbackURL": target})
		if good {
			if res.Status != 200 {
				t.Errorf("%q is refused: %s", target, res.Body)
			}
			continue
		}
		if res.Status != 403 || res.Text("code") != "INVALID_CALLBACK_URL" {
			t.Errorf("%q: %d %s", target, res.Status, res.Body)
		}
	}
	b := a.browser(t)
	b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "x", "callbackURL": 1}).Want(400)
	for member, code := range map[string]string{
		"redirectTo": "INVALID_REDIRECT_URL", "errorCallbackURL": "INVALID_ERROR_CALLBACK_URL", "newUserCallbackURL": "INVALID_NEW_USER_CALLBACK_URL",
	} {
		b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "x", member: "https://evil"}).WantCode(403, code)
	}
}

func TestErrorPage(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	res := a.browser(t).Get("/api/auth/error?error=state_mismatch&error_description=%3Cscript%3E").Want(200)
	if !strings.Contains(res.Body, "<code>state_mismatch</code>") || strings.Contains(res.Body, "<script>") ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("page %s", res.Body)
	}
	if res := a.browser(t).Get("/api/auth/error?error=%3Cb%3E"); !strings.Contains(res.Body, "<code>UNKNOWN</code>") {
		t.Errorf("page %s", res.Body)
	}
	a.browser(t).Get("/api/auth/error?error=a&error=b").WantCode(400, "VALIDATION_ERROR")
	b := newApp(t, func(c *core.Config) { c.ErrorURL = "/oops?from=auth" })
	if res := b.browser(t).Get("/api/auth/error?error=foo").Want(302); res.Header.Get("Location") != "/oops?error=foo&from=auth" {
		t.Errorf("Location %q", res.Header.Get("Location"))
	}
	if res := a.browser(t).Get("/api/auth/ok").Want(200); res.Body != `{"ok":true}` {
		t.Errorf("/ok answers %s", res.Body)
	}
}
