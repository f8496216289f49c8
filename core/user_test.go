package core_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

func TestUpdateUser(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home, func(c *core.Config) {
			c.UserFields = []*store.Field{
				{Name: "nickname", Type: store.String, Input: true, Returned: true},
				{Name: "age", Type: store.Int, Input: true, Returned: true},
				{Name: "tier", Type: store.String, Returned: true, Default: "free"},
			}
		})
		b := a.signUp(t, "a@b.com")
		other := a.signIn(t, "a@b.com")
		res := b.Post("/api/auth/update-user", m{"name": "Bo", "image": "https://x/y.png", "nickname": "bee", "age": 7}).Want(200)
		if res.Body != `{"status":true}` || len(res.SetCookies()) != 1 {
			t.Errorf("body %s, cookies %q", res.Body, res.SetCookies())
		}
		user := other.Get("/api/auth/get-session").Want(200).JSON("user").(m)
		for field, want := range (m{"name": "Bo", "image": "https://x/y.png", "nickname": "bee", "age": 7.0, "tier": "free", "email": "a@b.com"}) {
			if user[field] != want {
				t.Errorf("%s is %v, want %v", field, user[field], want)
			}
		}
		b.Post("/api/auth/update-user", m{"image": nil}).Want(200)
		if got := b.Get("/api/auth/get-session").JSON("user", "image"); got != nil {
			t.Errorf("image %v", got)
		}
		for _, c := range []struct {
			body m
			code string
		}{
			{m{}, "NO_FIELDS_TO_UPDATE"},
			{m{"emailVerified": true, "role": "admin"}, "NO_FIELDS_TO_UPDATE"},
			{m{"email": "c@d.com"}, "EMAIL_CAN_NOT_BE_UPDATED"},
			{m{"tier": "gold"}, "FIELD_NOT_ALLOWED"},
			{m{"name": 1}, "VALIDATION_ERROR"},
			{m{"age": "7"}, "VALIDATION_ERROR"},
			{m{"age": 7.5}, "VALIDATION_ERROR"},
		} {
			b.Post("/api/auth/update-user", c.body).WantCode(400, c.code)
		}
	})
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		b := a.signUp(t, "a@b.com")
		other := a.signIn(t, "a@b.com")
		for _, c := range []struct {
			body m
			code string
		}{
			{m{"newPassword": "short", "currentPassword": "wrong"}, "PASSWORD_TOO_SHORT"},
			{m{"newPassword": strings.Repeat("x", 129), "currentPassword": "wrong"}, "PASSWORD_TOO_LONG"},
			{m{"newPassword": "new password", "currentPassword": "wrong"}, "INVALID_PASSWORD"},
			{m{"newPassword": "new password"}, "VALIDATION_ERROR"},
		} {
			b.Post("/api/auth/change-password", c.body).WantCode(400, c.code)
		}
		res := b.Post("/api/auth/change-password", m{"newPassword": "new password", "currentPassword": "password789"}).Want(200)
		if res.JSON("token") != nil || res.Text("user", "email") != "a@b.com" || len(res.SetCookies()) > 0 {
			t.Errorf("body %s, cookies %q", res.Body, res.SetCookies())
		}
		if other.Get("/api/auth/get-session").Body == "null" {
			t.Error("the other session has ended, although nobody asked for that")
		}
		a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"}).Want(401)
		old := b.Clone()
		res = b.Post("/api/auth/change-password", m{"newPassword": "password789", "currentPassword": "new password", "revokeOtherSessions": true}).Want(200)
		if res.Text("token") == "" || !strings.HasPrefix(b.Cookie(sessionCookie), res.Text("token")+".") {
			t.Errorf("token %q, cookie %q", res.Text("token"), b.Cookie(sessionCookie))
		}
		if b.Get("/api/auth/get-session").Body == "null" {
			t.Error("the new session does not work")
		}
		if old.Get("/api/auth/get-session").Body != "null" || other.Get("/api/auth/get-session").Body != "null" {
			t.Error("a session from before is alive")
		}
	})
}

func TestOfTwoPasswordChangesAtOnceOneWins(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	b := a.signUp(t, "a@b.com")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		c := b.Clone()
		wg.Go(func() {
			res := c.Post("/api/auth/change-password", m{"newPassword": "new password", "currentPassword": "password789"})
			mu.Lock()
			defer mu.Unlock()
			switch res.Status {
			case 200:
				won++
			case 400, 503:
			default:
				t.Errorf("%d %s", res.Status, res.Body)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d changes succeeded, want 1", won)
	}
}

func TestUsersWithoutAPasswordCannotChangeIt(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	b := a.signUp(t, "a@b.com")
	if _, err := a.Database().Delete(t.Context(), core.TableAccount, store.All()); err != nil {
		t.Fatal(err)
	}
	b.Post("/api/auth/change-password", m{"newPassword": "new password", "currentPassword": "password789"}).WantCode(400, "CREDENTIAL_ACCOUNT_NOT_FOUND")
}
