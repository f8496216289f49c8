package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

func TestSignUpAnswersAsTheWireProtocolSays(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home)
		b := a.browser(t)
		res := b.Post("/api/auth/sign-up/email", m{"name": "Al <b>&é", "email": "A@B.com", "password": "password789"}).Want(200)

		want := regexp.MustCompile(`^\{"token":"[A-Za-z0-9]{32}","user":\{"name":"Al <b>&é","email":"a@b\.com","emailVerified":false,"image":null,` +
			`"createdAt":"2026-11-21T06:33:54\.078Z","updatedAt":"2026-11-21T06:33:54\.078Z","id":"[A-Za-z0-9]{32}"\}\}$`)
		if !want.MatchString(res.Body) {
			t.Errorf("body %s", res.Body)
		}
		cookie := regexp.MustCompile(`^better-auth\.session_token=` + res.Text("token") + `\.[A-Za-z0-9%]+%3D; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax$`)
		if got := res.SetCookies(); len(got) != 1 || !cookie.MatchString(got[0]) {
			t.Errorf("Set-Cookie %q", got)
		}
		for name, value := range map[string]string{
			"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got := res.Header.Get(name); got != value {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
		}
		if got := b.Get("/api/auth/get-session").Want(200).Text("user", "email"); got != "a@b.com" {
			t.Errorf("signed in as %q", got)
		}
	})
}

func TestSignUpRefusesATakenEmailHoweverItIsSpelled(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.signUp(t, "a@example.test")
	for _, email := range []string{"a@example.test", "A@Example.test"} {
		res := a.browser(t).Post("/api/auth/sign-up/email", m{"name": "x", "email": email, "password": "password789"})
		res.WantCode(422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL")
		if len(res.SetCookies()) > 0 {
			t.Errorf("cookies with a refusal: %q", res.SetCookies())
		}
	}
}

func TestParallelSignUpsOfOneEmailMakeOneUser(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		a := newApp(t, home, func(c *core.Config) { c.EmailPassword.HashConcurrency = 12 })
		statuses := make([]int, 12)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range statuses {
			email := "race@example.test"
			if i%2 == 1 {
				email = "Race@Example.TEST"
			}
			wg.Go(func() {
				<-start
				statuses[i] = a.browser(t).Post("/api/auth/sign-up/email", m{"name": "x", "email": email, "password": "password789"}).Status
			})
		}
		close(start)
		wg.Wait()
		count := map[int]int{}
		for _, s := range statuses {
			count[s]++
		}
		if count[200] != 1 || count[422] != 11 {
			t.Errorf("statuses %v, want one 200 and eleven 422", count)
		}
		for table, want := range map[string]int64{core.TableUser: 1, core.TableAccount: 1} {
			if n, err := a.Database().Count(t.Context(), table, store.Where{}); err != nil || n != want {
				t.Errorf("%d rows of %s, want %d (%v)", n, table, want, err)
			}
		}
	})
}

func TestSignUpHidesWhoHasAnAccountWhereItDoesNotSignIn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*core.Config){
		"without auto sign-in":   func(c *core.Config) { c.EmailPassword.DisableAutoSignIn = true },
		"verification is needed": func(c *core.Config) { c.EmailPassword.RequireVerification = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, change, func(c *core.Config) {
				c.UserFields = []*store.Field{{Name: "tier", Type: store.String, Returned: true, Default: "free"}}
			})
			body := m{"name": "Al", "email": "a@b.com", "password": "password789"}
			first := a.browser(t).Post("/api/auth/sign-up/email", body).Want(200)
			second := a.browser(t).Post("/api/auth/sign-up/email", body).Want(200)
			mask := regexp.MustCompile(`"id":"[A-Za-z0-9]{32}"`)
			if f, s := mask.ReplaceAllString(first.Body, "id"), mask.ReplaceAllString(second.Body, "id"); f != s || !strings.Contains(f, `"token":null`) {
				t.Errorf("answers differ:\n%s\n%s", f, s)
			}
			if first.Text("user", "id") == second.Text("user", "id") {
				t.Error("the answer tells the id of the user who has the e-mail")
			}
			if len(first.SetCookies())+len(second.SetCookies()) > 0 {
				t.Error("cookies were set")
			}
		})
	}
}

func TestSignUpTakesNothingThatClientsMayNotSet(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *core.Config) {
		c.UserFields = []*store.Field{
			{Name: "nickname", Type: store.String, Input: true, Returned: true},
			{Name: "tier", Type: store.String, Returned: true, Default: "free"},
			{Name: "note", Type: store.String, Default: "internal"},
		}
	})
	res := a.browser(t).Post("/api/auth/sign-up/email", m{
		"name": "Al", "email": "a@b.com", "password": "password789", "nickname": "ally",
		"role": "admin", "emailVerified": true, "id": "1", "createdAt": "2001-01-01T00:00:00.000Z", "banned": false, "twoFactorEnabled": true, "tier": "gold",
	}).Want(200)
	for _, c := range []struct {
		field string
		want  any
	}{
		{"nickname", "ally"},
		{"tier", "free"},
		{"emailVerified", false},
		{"createdAt", "2026-11-21T06:33:54.078Z"},
		{"role", nil},
		{"note", nil},
	} {
		if got := res.JSON("user", c.field); got != c.want {
			t.Errorf("%s is %v, want %v", c.field, got, c.want)
		}
	}
	if res.Text("user", "id") == "1" {
		t.Error("the client chose the id")
	}
}

func TestPasswordLengths(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	long := strings.Repeat("p", 127)
	for _, c := range []struct {
		name, password string
		status         int
		code           string
	}{
		{"7", "1234567", 400, "PASSWORD_TOO_SHORT"},
		{"8", "12345678", 200, ""},
		{"128", long + "x", 200, ""},
		{"129", long + "xx", 400, "PASSWORD_TOO_LONG"},
		{"counted in UTF-16", strings.Repeat("😀", 4), 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			email := "u" + strings.ReplaceAll(c.name, " ", "") + "@b.com"
			res := a.browser(t).Post("/api/auth/sign-up/email", m{"name": "x", "email": email, "password": c.password}).Want(c.status)
			if c.code != "" {
				res.WantCode(c.status, c.code)
			}
		})
	}
	a.browser(t).Post("/api/auth/sign-in/email", m{"email": "u128@b.com", "password": long + "y"}).WantCode(401, "INVALID_EMAIL_OR_PASSWORD")
	before := a.PasswordStats().Total
	a.browser(t).Post("/api/auth/sign-in/email", m{"email": "u128@b.com", "password": strings.Repeat("p", 500_000)}).WantCode(400, "PASSWORD_TOO_LONG")
	if after := a.PasswordStats().Total; after != before {
		t.Error("a password that is too long was hashed")
	}
}

func TestSignUpCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	body := m{"name": "x", "email": "a@b.com", "password": "password789"}
	newApp(t, func(c *core.Config) { c.EmailPassword.Enabled = false }).browser(t).
		Post("/api/auth/sign-up/email", body).WantCode(400, "EMAIL_PASSWORD_SIGN_UP_DISABLED")
	newApp(t, func(c *core.Config) { c.EmailPassword.DisableSignUp = true }).browser(t).
		Post("/api/auth/sign-up/email", body).WantCode(400, "EMAIL_PASSWORD_SIGN_UP_DISABLED")
	newApp(t, func(c *core.Config) { c.DisabledPaths = []string{"/sign-up/email"} }).browser(t).
		Post("/api/auth/sign-up/email?x=1", body).Want(404)
}

// Whether an address is taken must not show in anything that a sign-up answers.
func TestMaskedSignUpsAnswerAlikeWhateverHooksAndFieldsDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*core.Config)
		body   m
	}{
		"a hook that changes the user": {func(c *core.Config) {
			c.DatabaseHooks = []core.DatabaseHook{beforeCreate(core.TableUser, func(_ context.Context, row store.Record) error {
				row["tier"] = "trial"
				return nil
			})}
		}, m{}},
		"a hook that aborts": {func(c *core.Config) {
			c.DatabaseHooks = []core.DatabaseHook{beforeCreate(core.TableAccount, func(context.Context, store.Record) error { return core.ErrAborted })}
		}, m{}},
		"a hook that answers": {func(c *core.Config) {
			c.DatabaseHooks = []core.DatabaseHook{beforeCreate(core.TableUser, func(context.Context, store.Record) error { return core.ErrSignUpDisabled })}
		}, m{}},
		"a value that somebody has":  {func(*core.Config) {}, m{"handle": "taken"}},
		"a number that somebody has": {func(*core.Config) {}, m{"number": 7}},
		"a reference to nothing":     {func(*core.Config) {}, m{"sponsorId": "999999"}},
		"a reference that is no id":  {func(*core.Config) {}, m{"sponsorId": "x y"}},
		"nothing special":            {func(*core.Config) {}, m{}},
	} {
		for policy, ids := range map[string]store.IDs{"random": store.RandomIDs(), "serial": store.SerialIDs(), "uuid": store.UUIDv4()} {
			t.Run(name+"/"+policy, func(t *testing.T) {
				t.Parallel()
				var hooked bool
				a := newApp(t, func(cfg *core.Config) {
					cfg.IDs = ids
					cfg.EmailPassword.DisableAutoSignIn = true
					cfg.UserFields = []*store.Field{
						{Name: "tier", Type: store.String, Default: "free", Returned: true},
						{Name: "handle", Type: store.String, Unique: true, Input: true, Returned: true},
						{Name: "number", Type: store.Int, Unique: true, Input: true, Returned: true},
						{Name: "sponsorId", Type: store.String, Unique: true, Input: true, Returned: true, References: &store.Reference{Table: "user", OnDelete: store.SetNull}},
					}
					c.change(cfg)
					// The one who is there came before the hook.
					for i, h := range cfg.DatabaseHooks {
						then := h.BeforeCreate
						cfg.DatabaseHooks[i].BeforeCreate = func(ctx context.Context, row store.Record) error {
							if !hooked {
								return nil
							}
							return then(ctx, row)
						}
					}
				})
				if _, err := a.SignUpEmail(t.Context(), core.SignUpEmailInput{
					Name: "Al", Email: "taken@b.com", Password: "password789", Fields: m{"handle": "taken", "number": 7.0},
				}); err != nil {
					t.Fatal(err)
				}
				hooked = true
				signUp := func(email string) (int, string) {
					body := m{"name": "Bo", "email": email, "password": "password789"}
					maps.Copy(body, c.body)
					res := a.browser(t).Post("/api/auth/sign-up/email", body)
					var answer map[string]any
					if err := json.Unmarshal([]byte(res.Body), &answer); err != nil {
						t.Fatal(err)
					}
					if user, ok := answer["user"].(map[string]any); ok {
						delete(user, "id")
						delete(user, "email")
					}
					return res.Status, fmt.Sprint(answer)
				}
				takenStatus, takenAnswer := signUp("taken@b.com")
				freeStatus, freeAnswer := signUp("free@b.com")
				if takenStatus != freeStatus || takenAnswer != freeAnswer {
					t.Errorf("taken: %d %s\nfree:  %d %s", takenStatus, takenAnswer, freeStatus, freeAnswer)
				}
				if freeStatus >= 500 {
					t.Errorf("answered %d", freeStatus)
				}
			})
		}
	}
}
