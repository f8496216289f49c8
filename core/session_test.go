package core_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

func TestGetSessionOfNobodyIsNull(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		good := a.signUp(t, "a@b.com").Cookie(sessionCookie)
		token, mac, _ := strings.Cut(good, ".")
		for name, cookie := range map[string]string{
			"none":                     "",
			"no signature":             token,
			"empty signature":          token + ".",
			"truncated":                good[:len(good)-4],
			"tampered value":           map[bool]string{true: "B", false: "A"}[good[0] == 'A'] + good[1:],
			"prefix of the token":      token[:31] + "." + mac,
			"signed by somebody":       token + "." + strings.Repeat("A", 43) + "%3D",
			"malformed escape":         token + "." + "%zz",
			"too long":                 strings.Repeat("a", 5000),
			"unknown but well signed":  "",
			"control characters":       "\x01",
			"a dot and nothing before": "." + mac,
		} {
			b := a.browser(t)
			if cookie != "" {
				b.SetCookie(sessionCookie, cookie)
			}
			res := b.Get("/api/auth/get-session").Want(200)
			if res.Body != "null" || len(res.SetCookies()) > 0 {
				t.Errorf("%s: body %s, cookies %q", name, res.Body, res.SetCookies())
			}
		}
	})
}

func TestTheFirstOfTwoSessionCookiesCounts(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	good := a.signUp(t, "a@b.com").Cookie(sessionCookie)
	for _, c := range []struct {
		lines  []string
		signed bool
	}{
		{[]string{sessionCookie + "=" + good + "; " + sessionCookie + "=bad"}, true},
		{[]string{sessionCookie + "=" + good, sessionCookie + "=bad"}, true},
		{[]string{sessionCookie + "=bad; " + sessionCookie + "=" + good}, false},
		{[]string{sessionCookie + `="` + good + `"`}, true},
	} {
		b := a.browser(t)
		b.Header["Cookie"] = c.lines
		if got := b.Get("/api/auth/get-session").Want(200).Body != "null"; got != c.signed {
			t.Errorf("%q: signed in %v, want %v", c.lines, got, c.signed)
		}
	}
}

func TestPostGetSessionIsRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.signUp(t, "a@b.com").Post("/api/auth/get-session", m{}).WantCode(405, "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED")
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		b := a.signUp(t, "a@b.com")
		a.clock.Advance(8 * 24 * time.Hour)
		res := b.Get("/api/auth/get-session").Want(200)
		if res.Body != "null" {
			t.Errorf("expired session answers %s", res.Body)
		}
		if b.Cookie(sessionCookie) != "" {
			t.Error("the cookie was not cleared")
		}
		if n, _ := a.Database().Count(t.Context(), core.TableSession, store.Where{}); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestSessionsAreExtendedByUse(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		b := a.signUp(t, "a@b.com")
		expiry := func() string { return b.Get("/api/auth/get-session").Want(200).Text("session", "expiresAt") }
		first := expiry()
		a.clock.Advance(23 * time.Hour)
		if got := expiry(); got != first {
			t.Errorf("extended after 23 hours: %s", got)
		}
		a.clock.Advance(2 * time.Hour)
		res := b.Get("/api/auth/get-session?disableRefresh=false").Want(200)
		if got := res.Text("session", "expiresAt"); got != first {
			t.Errorf("extended although any text for disableRefresh says no: %s", got)
		}
		res = b.Get("/api/auth/get-session").Want(200)
		want := a.clock.Now().Add(7 * 24 * time.Hour).Format("2006-01-02T15:04:05.000Z")
		if got := res.Text("session", "expiresAt"); got != want {
			t.Errorf("expires at %s, want %s", got, want)
		}
		if cookies := res.SetCookies(); len(cookies) != 1 || !strings.Contains(cookies[0], "Max-Age=604800") {
			t.Errorf("Set-Cookie %q", cookies)
		}
		for range 6 {
			a.clock.Advance(6 * 24 * time.Hour)
			if expiry() == "" {
				t.Fatal("a session in use has expired")
			}
		}
	})
}

func TestUnrememberedSessionsAreNeverExtended(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.signUp(t, "a@b.com")
	b := a.browser(t)
	b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "rememberMe": false}).Want(200)
	a.clock.Advance(23 * time.Hour)
	if res := b.Get("/api/auth/get-session").Want(200); res.Body == "null" || len(res.SetCookies()) > 0 {
		t.Errorf("body %s, cookies %q", res.Body, res.SetCookies())
	}
	a.clock.Advance(2 * time.Hour)
	if res := b.Get("/api/auth/get-session"); res.Body != "null" {
		t.Errorf("alive after a day: %s", res.Body)
	}
	b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"}).Want(200)
	if b.Cookie(rememberCookie) != "" {
		t.Error("the mark of the earlier sign-in is still there")
	}
}

func TestParallelRefreshesExtendARowOnce(t *testing.T) {
	t.Parallel()
	s := &countingStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) { c.Store = s })
	b := a.signUp(t, "a@b.com")
	a.clock.Advance(25 * time.Hour)
	var wg sync.WaitGroup
	for range 50 {
		c := b.Clone()
		wg.Go(func() { c.Get("/api/auth/get-session").Want(200) })
	}
	wg.Wait()
	if n := s.extended.Load(); n != 1 {
		t.Errorf("%d extensions, want 1", n)
	}
}

func TestParallelRefreshesAllSucceed(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		b := a.signUp(t, "a@b.com")
		a.clock.Advance(25 * time.Hour)
		var wg sync.WaitGroup
		for range 50 {
			c := b.Clone()
			wg.Go(func() {
				if res := c.Get("/api/auth/get-session"); res.Status != 200 || res.Body == "null" {
					t.Errorf("%d %s", res.Status, res.Body)
				}
			})
		}
		wg.Wait()
	})
}

func TestSignOutEndsTheSessionForGood(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		b := a.signUp(t, "a@b.com")
		thief := b.Clone()
		res := b.Post("/api/auth/sign-out", m{}).Want(200)
		if res.Body != `{"success":true}` || b.Cookie(sessionCookie) != "" {
			t.Errorf("body %s, cookie %q", res.Body, b.Cookie(sessionCookie))
		}
		if res := thief.Get("/api/auth/get-session"); res.Body != "null" {
			t.Errorf("the cookie still works: %s", res.Body)
		}
		b.Post("/api/auth/sign-out", m{}).Want(200)
		a.browser(t).Post("/api/auth/sign-out", m{}).Want(200)
	})
}

func TestDevicesAreListedAndRevokedByHandle(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		own := a.signUp(t, "a@b.com")
		other := a.signIn(t, "a@b.com")
		stranger := a.signUp(t, "c@d.com")
		var list []struct{ ID, Token, UserID string }
		if err := json.Unmarshal([]byte(own.Get("/api/auth/list-sessions").Want(200).Body), &list); err != nil || len(list) != 2 {
			t.Fatalf("list %v (%v)", list, err)
		}
		ownID := own.Get("/api/auth/get-session").Text("session", "id")
		var handle string
		for _, s := range list {
			if s.ID == ownID {
				if !strings.HasPrefix(own.Cookie(sessionCookie), s.Token+".") {
					t.Errorf("own token is %q", s.Token)
				}
				continue
			}
			handle = s.Token
		}
		if !strings.HasPrefix(handle, "h_") {
			t.Fatalf("the other session's token is %q", handle)
		}
		if strings.Contains(other.Cookie(sessionCookie), handle) {
			t.Error("the handle is part of the other's cookie")
		}
		raw, _, _ := strings.Cut(other.Cookie(sessionCookie), ".")
		stranger.Post("/api/auth/revoke-session", m{"token": handle}).Want(200)
		stranger.Post("/api/auth/revoke-session", m{"token": raw}).Want(200)
		if other.Get("/api/auth/get-session").Body == "null" {
			t.Fatal("a stranger ended the session")
		}
		if res := own.Post("/api/auth/revoke-session", m{"token": handle}).Want(200); res.Body != `{"status":true}` {
			t.Errorf("body %s", res.Body)
		}
		if other.Get("/api/auth/get-session").Body != "null" {
			t.Error("the revoked session is alive")
		}
		third := a.signIn(t, "a@b.com")
		raw, _, _ = strings.Cut(third.Cookie(sessionCookie), ".")
		own.Post("/api/auth/revoke-session", m{"token": raw}).Want(200)
		if third.Get("/api/auth/get-session").Body != "null" {
			t.Error("the session revoked by its token is alive")
		}
	})
}

func TestRevokeAllAndOthers(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		own := a.signUp(t, "a@b.com")
		second, third := a.signIn(t, "a@b.com"), a.signIn(t, "a@b.com")
		own.Post("/api/auth/revoke-other-sessions", m{}).Want(200)
		if second.Get("/api/auth/get-session").Body != "null" || third.Get("/api/auth/get-session").Body != "null" {
			t.Error("another session is alive")
		}
		if own.Get("/api/auth/get-session").Body == "null" {
			t.Fatal("the own session has ended")
		}
		fourth := a.signIn(t, "a@b.com")
		own.Post("/api/auth/revoke-sessions", m{}).Want(200)
		if fourth.Get("/api/auth/get-session").Body != "null" || own.Cookie(sessionCookie) != "" {
			t.Error("a session or the cookie is left")
		}
		for _, path := range []string{"revoke-sessions", "revoke-other-sessions", "revoke-session", "update-user", "change-password"} {
			own.Post("/api/auth/"+path, m{"token": "x", "name": "x", "newPassword": "12345678", "currentPassword": "x"}).WantCode(401, "UNAUTHORIZED")
		}
		own.Get("/api/auth/list-sessions").WantCode(401, "UNAUTHORIZED")
	})
}

func TestListingSessionsNeedsAFreshOne(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	b := a.signUp(t, "a@b.com")
	a.clock.Advance(24 * time.Hour)
	b.Get("/api/auth/list-sessions").WantCode(403, "SESSION_NOT_FRESH")
}

// countingStore counts what reaches a store.
type countingStore struct {
	store.Store
	calls    atomic.Int64
	extended atomic.Int64 // sessions
	// found runs after a session's row has been found.
	found func()
	// swap replaces the row of a session that was found.
	swap func(store.Record) store.Record
}

func (c *countingStore) FindOne(ctx context.Context, t *store.Table, q store.Query) (store.Record, error) {
	c.calls.Add(1)
	row, err := c.Store.FindOne(ctx, t, q)
	if c.found != nil && t.Name == core.TableSession {
		c.found()
	}
	if c.swap != nil && t.Name == core.TableSession {
		row = c.swap(row)
	}
	return row, err
}

func (c *countingStore) FindMany(ctx context.Context, t *store.Table, q store.Query) ([]store.Record, error) {
	c.calls.Add(1)
	return c.Store.FindMany(ctx, t, q)
}

func (c *countingStore) Count(ctx context.Context, t *store.Table, w store.Where) (int64, error) {
	c.calls.Add(1)
	return c.Store.Count(ctx, t, w)
}

func (c *countingStore) Add(ctx context.Context, t *store.Table, w store.Where, delta map[string]int64, set store.Record) (store.Record, error) {
	c.calls.Add(1)
	row, err := c.Store.Add(ctx, t, w, delta, set)
	if t.Name == core.TableSession && err == nil {
		c.extended.Add(1)
	}
	return row, err
}

// A driver that mixes up its answers must sign nobody in as somebody else.
func TestTheRowOfAnotherSessionIsRefused(t *testing.T) {
	t.Parallel()
	s := &countingStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) { c.Store = s })
	victim, other := a.signUp(t, "victim@b.com"), a.signUp(t, "other@b.com")
	var row store.Record
	s.swap = func(r store.Record) store.Record { row = r; return r }
	victim.Get("/api/auth/get-session").Want(200)
	s.swap = func(store.Record) store.Record { return row }
	res := other.Get("/api/auth/get-session").WantCode(503, "SERVICE_UNAVAILABLE")
	if len(res.SetCookies()) > 0 {
		t.Errorf("cookies were changed: %q", res.SetCookies())
	}
}

// countingSecondary counts what reaches a secondary storage.
type countingSecondary struct {
	secondary.Storage
	calls atomic.Int64
	got   func()
}

func (c *countingSecondary) Get(ctx context.Context, key string) ([]byte, error) {
	c.calls.Add(1)
	data, err := c.Storage.Get(ctx, key)
	if c.got != nil {
		c.got()
	}
	return data, err
}

func TestASessionCheckIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	t.Run("database", func(t *testing.T) {
		t.Parallel()
		s := &countingStore{Store: memory.New()}
		a := newApp(t, func(c *core.Config) { c.Store = s })
		b := a.signUp(t, "a@b.com")
		s.calls.Store(0)
		b.Get("/api/auth/get-session").Want(200)
		if n := s.calls.Load(); n != 1 {
			t.Errorf("%d calls of the store, want 1", n)
		}
	})
	t.Run("secondary", func(t *testing.T) {
		t.Parallel()
		s := &countingStore{Store: memory.New()}
		kv := &countingSecondary{}
		a := newApp(t, withSecondary(t), func(c *core.Config) { kv.Storage = c.Secondary; c.Secondary, c.Store = kv, s })
		b := a.signUp(t, "a@b.com")
		s.calls.Store(0)
		kv.calls.Store(0)
		b.Get("/api/auth/get-session").Want(200)
		if n, k := s.calls.Load(), kv.calls.Load(); n != 0 || k != 1 {
			t.Errorf("%d calls of the store and %d of the secondary storage, want 0 and 1", n, k)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		s := &countingStore{Store: memory.New()}
		a := newApp(t, func(c *core.Config) { c.Store = s })
		s.calls.Store(0)
		a.browser(t).Get("/api/auth/get-session").Want(200)
		if n := s.calls.Load(); n != 0 {
			t.Errorf("%d calls of the store for a request without a cookie", n)
		}
	})
}

// A request reads its session, the user signs out, and only then the request
// extends what it has read.
func TestASignOutDuringARefreshIsNotUndone(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, a *app, interrupt *func()) {
		b := a.signUp(t, "a@b.com")
		a.clock.Advance(25 * time.Hour)
		out := b.Clone()
		var interrupted atomic.Bool
		*interrupt = func() {
			if interrupted.CompareAndSwap(false, true) {
				out.Post("/api/auth/sign-out", m{}).Want(200)
			}
		}
		if res := b.Get("/api/auth/get-session").Want(200); res.Body != "null" {
			t.Errorf("the request in flight got %s", res.Body)
		}
		if res := b.Clone().Get("/api/auth/get-session").Want(200); res.Body != "null" {
			t.Errorf("the session is back: %s", res.Body)
		}
	}
	t.Run("database", func(t *testing.T) {
		t.Parallel()
		s := &countingStore{Store: memory.New()}
		a := newApp(t, func(c *core.Config) { c.Store = s })
		test(t, a, &s.found)
	})
	t.Run("secondary", func(t *testing.T) {
		t.Parallel()
		kv := &countingSecondary{}
		a := newApp(t, withSecondary(t), func(c *core.Config) { kv.Storage = c.Secondary; c.Secondary = kv })
		test(t, a, &kv.got)
	})
}

func TestFormerSecretsGoOnVerifying(t *testing.T) {
	t.Parallel()
	shared := memory.New()
	old := newApp(t, func(c *core.Config) { c.Store = shared })
	cookie := old.signUp(t, "a@b.com").Cookie(sessionCookie)
	const next = "the-next-secret-the-next-secret-0002"
	rotated := newApp(t, func(c *core.Config) { c.Store, c.Secret, c.OldSecrets = shared, next, []string{testSecret} })
	b := rotated.browser(t)
	b.SetCookie(sessionCookie, cookie)
	if b.Get("/api/auth/get-session").Want(200).Body == "null" {
		t.Fatal("a cookie of the former secret is refused")
	}
	if b.Cookie(sessionCookie) == cookie {
		t.Error("the cookie was not signed anew")
	}
	done := newApp(t, func(c *core.Config) { c.Store, c.Secret = shared, next })
	b2 := done.browser(t)
	b2.SetCookie(sessionCookie, cookie)
	if b2.Get("/api/auth/get-session").Want(200).Body != "null" {
		t.Error("a cookie of a dropped secret works")
	}
	b2.SetCookie(sessionCookie, b.Cookie(sessionCookie))
	if b2.Get("/api/auth/get-session").Want(200).Body == "null" {
		t.Error("the newly signed cookie is refused")
	}
}

func TestCookiesAreSecureOnHTTPS(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) { c.BaseURL = "https://example.com" })
	b := a.browser(t)
	b.Header.Set("Origin", "https://example.com")
	res := b.Post("/api/auth/sign-up/email", m{"name": "x", "email": "a@b.com", "password": "password789"}).Want(200)
	cookies := res.SetCookies()
	if len(cookies) != 1 || !strings.HasPrefix(cookies[0], "__Secure-better-auth.session_token=") ||
		!strings.HasSuffix(cookies[0], "; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("Set-Cookie %q", cookies)
	}
}

func TestDeletedUsersHaveNoSessions(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		b := a.signUp(t, "a@b.com")
		id := b.Get("/api/auth/get-session").Text("user", "id")
		if err := a.Users().Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if res := b.Get("/api/auth/get-session"); res.Body != "null" {
			t.Errorf("still signed in: %s", res.Body)
		}
		a.signUp(t, "a@b.com")
	})
}

func TestMiddlewareSeesTheSessionLazily(t *testing.T) {
	t.Parallel()
	s := &countingStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) { c.Store = s })
	b := a.signUp(t, "a@b.com")
	ask := false
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = a.Attach(w, r)
		if !ask {
			return
		}
		for range 3 {
			if user, err := core.CurrentUser(r.Context()); err != nil || user.Email != "a@b.com" {
				t.Errorf("user %v (%v)", user, err)
			}
		}
	})
	visit := browserOf(t, h, b)
	s.calls.Store(0)
	visit.Get("/")
	if n := s.calls.Load(); n != 0 {
		t.Errorf("%d calls although nobody asked", n)
	}
	ask = true
	visit.Get("/")
	if n := s.calls.Load(); n != 1 {
		t.Errorf("%d calls for one request, want 1", n)
	}
}
