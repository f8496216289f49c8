package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

func TestSignInAnswersAsTheWireProtocolSays(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.signUp(t, "a@b.com")
	t.Run("plain", func(t *testing.T) {
		res := a.browser(t).Post("/api/auth/sign-in/email", m{"email": "A@b.com", "password": "password789"}).Want(200)
		if !strings.HasPrefix(res.Body, `{"redirect":false,"token":"`) || strings.Contains(res.Body, `"url"`) {
			t.Errorf("body %s", res.Body)
		}
	})
	t.Run("with a place to go", func(t *testing.T) {
		res := a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "callbackURL": "/dash"}).Want(200)
		if res.Header.Get("Location") != "/dash" || res.Text("url") != "/dash" || res.JSON("redirect") != true {
			t.Errorf("Location %q, body %s", res.Header.Get("Location"), res.Body)
		}
	})
	t.Run("not remembered", func(t *testing.T) {
		b := a.browser(t)
		res := b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789", "rememberMe": false}).Want(200)
		cookies := strings.Join(res.SetCookies(), "\n")
		if len(res.SetCookies()) != 2 || strings.Contains(cookies, "Max-Age") ||
			!strings.Contains(cookies, "better-auth.dont_remember=true.Zk9XB7y1maLProqSjNh0J0uzvX00NTrSJhaG5WVJI9Q%3D; Path=/; HttpOnly; SameSite=Lax") {
			t.Errorf("Set-Cookie\n%s", cookies)
		}
		got, err := time.Parse(time.RFC3339, b.Get("/api/auth/get-session").Text("session", "expiresAt"))
		if want := a.clock.Now().Add(24 * time.Hour); err != nil || !got.Equal(want) {
			t.Errorf("expires at %v, want %v (%v)", got, want, err)
		}
	})
}

func TestSignInRefusalsDoNotTellWhoExists(t *testing.T) {
	t.Parallel()
	s := &countingStore{Store: memory.New()}
	a := newApp(t, func(c *core.Config) { c.Store = s })
	a.signUp(t, "a@b.com")
	if _, err := a.Users().Create(t.Context(), core.NewUser{Name: "x", Email: "oauth@b.com"}); err != nil {
		t.Fatal(err)
	}
	var first string
	for _, email := range []string{"nobody@b.com", "a@b.com", "oauth@b.com"} {
		before := a.PasswordStats().Total
		s.calls.Store(0)
		res := a.browser(t).Post("/api/auth/sign-in/email", m{"email": email, "password": "wrong password"})
		res.WantCode(401, "INVALID_EMAIL_OR_PASSWORD")
		if first == "" {
			first = res.Body
		}
		if res.Body != first || len(res.SetCookies()) > 0 {
			t.Errorf("%s: %s, cookies %q", email, res.Body, res.SetCookies())
		}
		if n := a.PasswordStats().Total - before; n != 1 {
			t.Errorf("%s: %d hashes were computed, want 1 as for everybody", email, n)
		}
		if n := s.calls.Load(); n != 2 {
			t.Errorf("%s: %d calls of the store, want 2 as for everybody", email, n)
		}
	}
	a.browser(t).Post("/api/auth/sign-in/email", m{"email": "not an address", "password": "x"}).WantCode(400, "INVALID_EMAIL")
}

func TestPasswordsAreComparedInOneUnicodeForm(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.browser(t).Post("/api/auth/sign-up/email", m{"name": "x", "email": "a@b.com", "password": "password1234"}).Want(200)
	for password, status := range map[string]int{
		"ｐａｓｓｗｏｒｄ1234": 200, "password1234 ": 401, "PASSWORD1234": 401,
	} {
		a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": password}).Want(status)
	}
}

func TestUnverifiedUsersAreRefusedOnlyAfterTheRightPassword(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) { c.EmailPassword.RequireVerification = true })
	id := a.browser(t).Post("/api/auth/sign-up/email", m{"name": "x", "email": "a@b.com", "password": "password789"}).Want(200).Text("user", "id")
	a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "wrong one"}).WantCode(401, "INVALID_EMAIL_OR_PASSWORD")
	a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"}).WantCode(403, "EMAIL_NOT_VERIFIED")
	verified := true
	if _, err := a.Users().Update(t.Context(), id, core.UserChange{EmailVerified: &verified}); err != nil {
		t.Fatal(err)
	}
	a.signIn(t, "a@b.com")
}

func TestOldPasswordHashesAreUpgradedAtSignIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ password, hash string }{
		"scrypt of better-auth": {
			"password789",
			"3440554c82f6929e7749df9c64dd8c9c:d93de48e082b07e141fabf13684fdc2cd4188689c29e0adc109e2284d803e76c53e2863e8f0629b54987a5f83f179dd64a831e9340771575047d2cba2e9936fc",
		},
		"bcrypt": {"allmine", "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			user, err := a.Users().Create(t.Context(), core.NewUser{Name: "x", Email: "a@b.com"})
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Accounts().CreateCredential(t.Context(), user.ID, c.hash); err != nil {
				t.Fatal(err)
			}
			body := m{"email": "a@b.com", "password": c.password}
			a.browser(t).Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": c.password + "x"}).Want(401)
			a.browser(t).Post("/api/auth/sign-in/email", body).Want(200)
			account, err := a.Accounts().Credential(t.Context(), user.ID)
			if err != nil || !strings.HasPrefix(account.Password, "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("hash afterwards %q (%v)", account.Password, err)
			}
			a.browser(t).Post("/api/auth/sign-in/email", body).Want(200)
		})
	}
}

func TestAPlantedCookieIsNotAdopted(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	attacker := a.signUp(t, "attacker@b.com")
	a.signUp(t, "victim@b.com")
	planted := attacker.Cookie(sessionCookie)
	victim := a.browser(t)
	victim.SetCookie(sessionCookie, planted)
	victim.Post("/api/auth/sign-in/email", m{"email": "victim@b.com", "password": "password789"}).Want(200)
	if victim.Cookie(sessionCookie) == planted {
		t.Fatal("the victim goes on with the planted cookie")
	}
	if got := attacker.Get("/api/auth/get-session").Text("user", "email"); got != "attacker@b.com" {
		t.Errorf("the planted session is now %q", got)
	}
}

func TestNoRawTokenIsStored(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	token := a.browser(t).Post("/api/auth/sign-up/email", m{"name": "x", "email": "a@b.com", "password": "password789"}).Want(200).Text("token")
	rows, err := a.Database().FindMany(t.Context(), core.TableSession, store.Query{})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d sessions (%v)", len(rows), err)
	}
	for field, value := range rows[0] {
		if s, ok := value.(string); ok && strings.Contains(s, token) {
			t.Errorf("field %s holds the token", field)
		}
	}
}
