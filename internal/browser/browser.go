// Package browser is a small browser for tests: it talks to an http.Handler,
// keeps cookies and sends an Origin, as a front end on the same origin does.
// Only tests import it.
package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Origin is where the pages of a test come from, and the BaseURL to configure.
const Origin = "http://localhost:3000"

// Browser keeps the cookies of one person. It is safe for concurrent use.
type Browser struct {
	t       testing.TB
	handler http.Handler
	// Header is sent with every request. Set it before the first.
	Header http.Header
	// RemoteAddr is the address that requests come from. Set it before the
	// first.
	RemoteAddr string

	mu      sync.Mutex
	cookies map[string]string
}

// New returns a browser without cookies.
func New(t testing.TB, h http.Handler) *Browser {
	return &Browser{
		t: t, handler: h, RemoteAddr: "192.0.2.1:40000",
		Header:  http.Header{"Origin": {Origin}, "User-Agent": {"browser/1"}},
		cookies: map[string]string{},
	}
}

// Clone returns a second browser with the same cookies.
func (b *Browser) Clone() *Browser {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := New(b.t, b.handler)
	c.Header, c.RemoteAddr, c.cookies = b.Header.Clone(), b.RemoteAddr, maps.Clone(b.cookies)
	return c
}

// On returns a second browser with the same cookies on another handler.
func (b *Browser) On(h http.Handler) *Browser {
	c := b.Clone()
	c.handler = h
	return c
}

// Cookie returns the value of a cookie, or "".
func (b *Browser) Cookie(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cookies[name]
}

// SetCookie plants a cookie.
func (b *Browser) SetCookie(name, value string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cookies[name] = value
}

// Get asks for a path.
func (b *Browser) Get(path string) *Answer { return b.Do(http.MethodGet, path, "", nil) }

// Post sends a value as JSON.
func (b *Browser) Post(path string, body any) *Answer {
	b.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.Do(http.MethodPost, path, "application/json", bytes.NewReader(data))
}

// Do sends a request and keeps the cookies of the answer.
func (b *Browser) Do(method, path, contentType string, body io.Reader) *Answer {
	b.t.Helper()
	r := httptest.NewRequest(method, Origin+path, body)
	r.RemoteAddr = b.RemoteAddr
	maps.Copy(r.Header, b.Header)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	b.mu.Lock()
	for name, value := range b.cookies {
		r.Header["Cookie"] = append(r.Header["Cookie"], name+"="+value)
	}
	b.mu.Unlock()
	if lines := r.Header["Cookie"]; len(lines) > 1 {
		r.Header["Cookie"] = []string{strings.Join(lines, "; ")}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	res := w.Result()
	defer func() { _ = res.Body.Close() }()
	b.mu.Lock()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	b.mu.Unlock()
	return &Answer{t: b.t, Status: res.StatusCode, Header: res.Header, Body: w.Body.String()}
}

// Answer is what came back.
type Answer struct {
	t      testing.TB
	Status int
	Header http.Header
	Body   string
}

// Want fails the test unless the status is the one given.
func (a *Answer) Want(status int) *Answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("status %d, want %d; body %s", a.Status, status, a.Body)
	}
	return a
}

// WantCode fails the test unless the answer is an error with status and code.
func (a *Answer) WantCode(status int, code string) *Answer {
	a.t.Helper()
	a.Want(status)
	if got := a.Text("code"); got != code {
		a.t.Fatalf("code %q, want %q; body %s", got, code, a.Body)
	}
	if a.Text("message") == "" {
		a.t.Fatalf("error without a message: %s", a.Body)
	}
	return a
}

// JSON returns the value at a path of member names, such as "user", "email";
// nil where there is none.
func (a *Answer) JSON(path ...string) any {
	a.t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		a.t.Fatalf("answer is no JSON: %v: %q", err, a.Body)
	}
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// Text returns the text at a path, "" where there is none.
func (a *Answer) Text(path ...string) string {
	a.t.Helper()
	switch v := a.JSON(path...).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// SetCookies returns the Set-Cookie lines of the answer.
func (a *Answer) SetCookies() []string { return a.Header["Set-Cookie"] }
