package core_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

func TestEveryRowGetsAnIDByThePolicy(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	for _, c := range []struct {
		name    string
		ids     store.IDs
		pattern string
		// session is the form of a session's id that no database makes.
		session string
	}{
		{"random", store.RandomIDs(), `^[A-Za-z0-9]{32}$`, ""},
		{"UUIDv4", store.UUIDv4(), `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, ""},
		{"UUIDv7", store.UUIDv7(), `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, ""},
		{"function", store.IDFunc(func(table string) (string, error) { return fmt.Sprintf("%s_%d", table, n.Add(1)), nil }), `^(user|session|account|note)_[0-9]+$`, ""},
		{"database UUID", store.DatabaseUUIDs(), `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, ""},
		{"serial", store.SerialIDs(), `^[1-9][0-9]*$`, `^[4-9][0-9]{18}$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for home, in := range map[string]func(*core.Config){"database": func(*core.Config) {}, "secondary": withSecondary(t)} {
				t.Run(home, func(t *testing.T) {
					t.Parallel()
					session := c.pattern
					if home == "secondary" && c.session != "" {
						session = c.session
					}
					wants := func(pattern, id string) {
						t.Helper()
						if !regexp.MustCompile(pattern).MatchString(id) {
							t.Errorf("id %q is not of the form %s", id, pattern)
						}
					}
					a := newApp(t, in, withPlugins(newNotes()), func(cfg *core.Config) { cfg.IDs = c.ids })
					b := a.signUp(t, "a@b.com")
					got := b.Get("/api/auth/get-session").Want(200)
					wants(c.pattern, got.Text("user", "id"))
					wants(session, got.Text("session", "id"))
					if got.Text("session", "userId") != got.Text("user", "id") {
						t.Errorf("session of another user: %s", got.Body)
					}
					wants(c.pattern, b.Post("/api/auth/notes/create", m{"text": "x"}).Want(200).Text("id"))
					b.Get("/api/auth/notes/not-an-id").WantCode(404, "NOT_FOUND")
					a.signIn(t, "a@b.com").Post("/api/auth/sign-out", m{}).Want(200)

					user, err := a.Users().Create(t.Context(), core.NewUser{Name: "Bo", Email: "b@b.com"})
					if err != nil || user.ID == got.Text("user", "id") {
						t.Errorf("the second user is %+v, %v", user, err)
					}
					if err := a.Users().Delete(t.Context(), got.Text("user", "id")); err != nil {
						t.Fatal(err)
					}
					if b.Get("/api/auth/get-session").Body != "null" {
						t.Error("the session outlives its user")
					}
				})
			}
		})
	}
}

func TestAMadeUpUserLooksLikeOneThatTheDatabaseNumbers(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) {
		c.IDs = store.SerialIDs()
		c.EmailPassword.DisableAutoSignIn = true
		c.UserFields = []*store.Field{{Name: "handle", Type: store.String, Unique: true, Required: true, Input: true, Returned: true}}
	})
	seen := map[string]bool{}
	for i, email := range []string{"a@b.com", "a@b.com", "a@b.com", "b@b.com", "a@b.com"} {
		handle := fmt.Sprint("h", i)
		res := a.browser(t).Post("/api/auth/sign-up/email", m{"name": "Al", "email": email, "password": "password789", "handle": handle}).Want(200)
		id := res.Text("user", "id")
		if seen[id] || !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(id) {
			t.Errorf("id %q of %s was seen before, or is no number", id, email)
		}
		seen[id] = true
		if res.Text("user", "handle") != handle || res.Text("user", "email") != email {
			t.Errorf("answer %s", res.Body)
		}
	}
	if n, err := a.Database().Count(t.Context(), core.TableUser, store.Where{}); err != nil || n != 2 {
		t.Errorf("%d users, want 2 (%v)", n, err)
	}
}

func TestEveryCoreTableTakesAdditionalFields(t *testing.T) {
	t.Parallel()
	field := func() []*store.Field {
		return []*store.Field{{Name: "origin", Type: store.String, Default: "web"}}
	}
	a := newApp(t, func(c *core.Config) {
		c.UserFields, c.SessionFields, c.AccountFields, c.VerificationFields = field(), field(), field(), field()
	})
	b := a.signUp(t, "a@b.com")
	if err := a.Verifications().Create(t.Context(), "x", "y", 1e9); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{core.TableUser, core.TableSession, core.TableAccount, core.TableVerification} {
		row, err := a.Database().FindOne(t.Context(), table, store.Query{})
		if err != nil || row["origin"] != "web" {
			t.Errorf("%s: %v, %v", table, row, err)
		}
	}
	account, err := a.Accounts().Credential(t.Context(), b.Get("/api/auth/get-session").Text("user", "id"))
	if err != nil || account.Fields["origin"] != "web" {
		t.Errorf("account %+v, %v", account, err)
	}
}

func TestFieldsThatSignUpTakesForItselfAreRefused(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"password": `named "password"`, "rememberMe": `named "rememberMe"`, "email": `field "email" is declared twice`} {
		_, err := core.New(core.Config{UserFields: []*store.Field{{Name: name, Type: store.String}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}
