package conformance_test

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/store"
)

// hostile is text that has broken somebody's queries, patterns, escapes,
// encodings or lengths.
var hostile = []string{
	`'`, `''`, `"`, "`", `\`, `\'`, `\\'`, `\"`, `'--`, `-1`, `-1 OR 1=1`, `1;DROP TABLE users;--`, `' OR ''='`, `' UNION SELECT * FROM accounts --`,
	`'); DELETE FROM users WHERE ('1'='1`, `/* */`, `#`, `;`, `$1`, `$$`, `$$;SELECT 1;$$`, `$tag$x$tag$`, `?`, `?0`, `??`, `:name`, `@p1`, `%s%d%v`, `E'\x27'`, `0x27`, `N'x'`,
	`%`, `%%`, `_`, `[a-z]`, `.*`, `^$`, `!%`, `!_`, `*`,
	`{"$gt":""}`, `{"$ne":null}`, `[object Object]`, `{}`, `[]`, `${jndi:ldap://x}`, `${1+1}`, `{{7*7}}`, `<script>alert(1)</script>`, `__proto__`, `constructor`,
	`null`, `NULL`, `undefined`, `true`, `NaN`, `Infinity`, `0`, `1e309`, `2001-02-03T04:05:06Z`,
	` `, `  leading`, `trailing  `, "\t\r\n", "a\r\nSet-Cookie: x=y", "\u00a0", "\ufeff",
	"\x01\x02\x1f\x7f", "\u0085\u2028\u2029", "\ufffd", "\ufffe\uffff",
	"é", "e\u0301", "ß", "ẞ", "İı", "ﬁ", "ｐａｓｓ", "Ω", "\u0430dmin", "\u202egnp.exe\u202c", "עברית عربى", "Z\u0351\u036b\u0343a\u0308lgo",
	"😀", "👩‍👩‍👧‍👦", "🇨🇭", "𝒳", "\U0010ffff", strings.Repeat("é😀", 60), strings.Repeat("a", 255), strings.Repeat(`'`, 255), strings.Repeat("%", 200),
}

// illFormed are JSON values that are no text which every database can keep.
var illFormed = []string{
	`"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\udc00\ud800"`, `"a\ud83d"`, "\"\xff\"", "\"a\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"a\x00b\"",
}

// notText are JSON values that are no text.
var notText = []string{`{"$gt":""}`, `{"$ne":null}`, `["x"]`, `[]`, `1`, `true`, `{"toString":"x"}`, `[["x"]]`}

// table is what a store holds of one table, by id.
func tableOf(t *testing.T, auth *core.Auth, name string) map[string]store.Record {
	t.Helper()
	rows, err := auth.Database().FindMany(t.Context(), name, store.Query{Limit: store.NoLimit})
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]store.Record{}
	for _, row := range rows {
		byID[row.String("id")] = row
	}
	return byID
}

// bystander is a user with an account and a session that nothing may touch.
type bystander struct {
	auth *core.Auth
	rows map[string]store.Record
}

func newBystander(t *testing.T, auth *core.Auth) *bystander {
	t.Helper()
	if _, err := auth.SignUpEmail(t.Context(), core.SignUpEmailInput{Name: "By", Email: "by@stander.com", Password: "password789"}); err != nil {
		t.Fatal(err)
	}
	b := &bystander{auth: auth}
	b.rows = b.now(t)
	return b
}

func (b *bystander) now(t *testing.T) map[string]store.Record {
	t.Helper()
	rows := map[string]store.Record{}
	user, err := b.auth.Users().ByEmail(t.Context(), "by@stander.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{core.TableUser, core.TableAccount, core.TableSession} {
		for id, row := range tableOf(t, b.auth, table) {
			if id == user.ID || row.String("userId") == user.ID {
				rows[table+" "+id] = row
			}
		}
	}
	return rows
}

func (b *bystander) wantUntouched(t *testing.T) {
	t.Helper()
	if now := b.now(t); !reflect.DeepEqual(now, b.rows) || len(now) != 3 {
		t.Errorf("somebody else's rows became %v, want %v", now, b.rows)
	}
}

// raw sends a body that encoding/json would not write.
func raw(b *browser.Browser, path, body string) *browser.Answer {
	return b.Do("POST", path, "application/json", strings.NewReader(body))
}

// hostileApp is an application whose users have fields of every type that holds
// text.
func hostileApp(t *testing.T, st store.Store) *core.Auth {
	t.Helper()
	cfg := config(st, nil)
	cfg.UserFields = []*store.Field{
		{Name: "motto", Type: store.String, Input: true, Returned: true},
		{Name: "tags", Type: store.Strings, Input: true, Returned: true},
		{Name: "meta", Type: store.JSON, Input: true, Returned: true},
	}
	cfg.Plugins = []core.Plugin{newLibrary()}
	return newAuth(t, cfg)
}

func TestHostileTextIsOnlyEverData(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, st store.Store, serve adapter) {
		auth := hostileApp(t, st)
		h := serve(auth)
		by := newBystander(t, auth)
		b := signUp(t, h, "a@b.com")
		wants := func(field, text string, want any) {
			t.Helper()
			if got := b.Get("/api/auth/get-session").Want(200).JSON("user", field); !reflect.DeepEqual(got, want) {
				t.Errorf("%q as %s came back as %#v", text, field, got)
			}
		}
		for _, text := range hostile {
			meta := map[string]any{"text": text, "list": []any{text, nil}}
			b.Post("/api/auth/update-user", m{"name": text, "image": text, "motto": text, "tags": []string{text, "", text}, "meta": meta}).Want(200)
			wants("name", text, text)
			wants("image", text, text)
			wants("motto", text, text)
			wants("tags", text, []any{text, "", text})
			wants("meta", text, meta)
		}
		by.wantUntouched(t)
		last := hostile[len(hostile)-1]
		for _, value := range illFormed {
			for _, field := range []string{"name", "image", "motto"} {
				raw(b, "/api/auth/update-user", `{"`+field+`":`+value+`}`).Want(400)
			}
			raw(b, "/api/auth/update-user", `{"tags":["x",`+value+`]}`).Want(400)
			raw(b, "/api/auth/update-user", `{"meta":{"x":[`+value+`]}}`).Want(400)
			raw(b, "/api/auth/update-user", `{`+value+`:"x"}`).Want(400)
		}
		for _, value := range notText {
			for _, field := range []string{"name", "image", "motto"} {
				raw(b, "/api/auth/update-user", `{"`+field+`":`+value+`}`).WantCode(400, "VALIDATION_ERROR")
			}
		}
		wants("name", last, last)
		wants("motto", last, last)
		wants("tags", last, []any{last, "", last})
		by.wantUntouched(t)
	})
}

// Whatever the length: text is kept to the byte, or refused.
func TestLongTextIsKeptWholeOrRefused(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, st store.Store, serve adapter) {
		auth := hostileApp(t, st)
		b := signUp(t, serve(auth), "a@b.com")
		for _, c := range []struct {
			field  string
			length int
			refuse bool
		}{
			{"name", 255, false},
			{"name", 256, true},
			{"name", 1 << 16, true},
			{"image", 2048, false},
			{"image", 2049, true},
			{"image", 1<<16 + 1, true},
			{"motto", 1<<16 - 1, false},
			{"motto", 1 << 16, false},
			{"motto", 1<<16 + 1, false},
			{"motto", 300_000, false},
		} {
			for _, unit := range []string{"a", "é", "'"} {
				text := strings.Repeat(unit, c.length)
				res := b.Post("/api/auth/update-user", m{c.field: text})
				switch {
				case c.refuse:
					res.WantCode(400, "VALIDATION_ERROR")
				case res.Status != 200:
					t.Errorf("%d times %q as %s: status %d, body %s", c.length, unit, c.field, res.Status, res.Body)
				case b.Get("/api/auth/get-session").Want(200).Text("user", c.field) != text:
					t.Errorf("%d times %q as %s did not come back", c.length, unit, c.field)
				}
			}
		}
		long := strings.Repeat(`"\`, 1<<15) + "!"
		tags := []any{long, long}
		meta := map[string]any{long: []any{long}}
		b.Post("/api/auth/update-user", m{"tags": tags, "meta": meta}).Want(200)
		user := b.Get("/api/auth/get-session").Want(200)
		if !reflect.DeepEqual(user.JSON("user", "tags"), any(tags)) || !reflect.DeepEqual(user.JSON("user", "meta"), any(meta)) {
			t.Error("long tags, or a long meta, did not come back")
		}
	})
}

func TestHostileTextAtSignUp(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, st store.Store, serve adapter) {
		auth := hostileApp(t, st)
		h := serve(auth)
		by := newBystander(t, auth)
		// A hash takes its time: a few will do.
		passwords := []string{`'--`, `\'`, `$$;SELECT 1;$$`, "%", "e\u0301ß😀", strings.Repeat(`"`, 120)}
		for i, text := range passwords {
			password, email := "password"+text, fmt.Sprintf("u%d@b.com", i)
			res := browser.New(t, h).Post("/api/auth/sign-up/email", m{"name": text, "email": email, "password": password, "image": text, "motto": text}).Want(200)
			if res.Text("user", "name") != text || res.Text("user", "image") != text || res.Text("user", "motto") != text {
				t.Errorf("%q came back as %s", text, res.Body)
			}
			in := browser.New(t, h)
			if status := try(in, "sign-in/email", email, password); status != 200 {
				t.Errorf("sign-in with the password %q: status %d", password, status)
			}
			if got := in.Get("/me").Want(200); got.Text("name") != text || got.Text("motto") != text {
				t.Errorf("%q came back as %s", text, got.Body)
			}
		}
		if status := try(browser.New(t, h), "sign-in/email", "u3@b.com", "password_"); status != 401 {
			t.Errorf("sign-in with a pattern of the password: status %d", status)
		}
		for _, value := range append(illFormed, notText...) {
			for field, body := range map[string]string{
				"name":     `{"name":%s,"email":"x@b.com","password":"password789"}`,
				"email":    `{"name":"x","email":%s,"password":"password789"}`,
				"password": `{"name":"x","email":"x@b.com","password":%s}`,
			} {
				res := raw(browser.New(t, h), "/api/auth/sign-up/email", fmt.Sprintf(body, value))
				if res.Status != 400 {
					t.Errorf("sign-up with %s as %s: status %d", value, field, res.Status)
				}
				if field == "name" {
					continue
				}
				if res := raw(browser.New(t, h), "/api/auth/sign-in/email", fmt.Sprintf(body, value)); res.Status != 400 {
					t.Errorf("sign-in with %s as %s: status %d", value, field, res.Status)
				}
			}
		}
		wantWhole(t, auth, int64(len(passwords)+1))
		by.wantUntouched(t)
	})
}

// An address is kept as it was written, but for the case of its letters, or
// refused, and signs in nobody but whom it belongs to.
func TestHostileTextInAddresses(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, st store.Store, serve adapter) {
		auth := hostileApp(t, st)
		h := serve(auth)
		by := newBystander(t, auth)
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		taken := map[string]bool{}
		for _, local := range append([]string{"o'brien", "a+b", "a_b", "A_B", "aXb", "a.b", "x'--", "x'or'1'='1", "b_"}, hostile...) {
			if len(local) > 60 || strings.Trim(local, letters) == "" {
				continue
			}
			email := local + "@b.com"
			key := strings.ToLower(email)
			res := browser.New(t, h).Post("/api/auth/sign-up/email", m{"name": "x", "email": email, "password": "password789"})
			switch {
			case res.Status == 400:
			case taken[key]:
				res.WantCode(422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL")
			default:
				taken[key] = true
				if got := res.Want(200).Text("user", "email"); got != key {
					t.Errorf("%q is kept as %q", email, got)
				}
			}
		}
		if len(taken) < 10 {
			t.Errorf("only %d addresses were taken", len(taken))
		}
		for _, local := range []string{"%", "a_b", "a%", "b%", "___", "by@stander.com'--", "' or ''='", "a b"} {
			email := local + "@b.com"
			res := browser.New(t, h).Post("/api/auth/sign-in/email", m{"email": email, "password": "password789"})
			switch {
			case taken[email]:
				if got := res.Want(200).Text("user", "email"); got != email {
					t.Errorf("sign-in as %q is one as %q", email, got)
				}
			case res.Status != 400 && res.Status != 401:
				t.Errorf("sign-in as %q: status %d, body %s", email, res.Status, res.Body)
			}
		}
		wantWhole(t, auth, int64(len(taken))+1)
		by.wantUntouched(t)
	})
}

// What ends up as an operand of a query finds only what it names.
func TestHostileTextInQueries(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, st store.Store, serve adapter) {
		auth := hostileApp(t, st)
		h := serve(auth)
		by := newBystander(t, auth)
		b := signUp(t, h, "a@b.com")
		b.Post("/api/auth/books/create", m{"title": "The one", "tags": []string{}}).Want(200)
		sessions := len(tableOf(t, auth, core.TableSession))
		operands := append([]string{"", "h_", "h_%", "h_'", strings.Repeat("x", 1<<16), strings.Repeat("'", 1<<16+1)}, hostile...)
		for _, text := range operands {
			for _, token := range []string{text, "h_" + text} {
				if res := b.Post("/api/auth/revoke-session", m{"token": token}); res.Status != 200 && res.Status != 400 {
					t.Errorf("revoke-session %.40q: status %d, body %s", token, res.Status, res.Body)
				}
			}
			if len(text) > 1000 || text == "" {
				continue
			}
			if res := b.Get("/api/auth/books/" + url.PathEscape(text)); res.Status != 404 && res.Status != 400 {
				t.Errorf("books/%q: status %d, body %s", text, res.Status, res.Body)
			}
			for _, how := range []string{"", "prefix", "suffix", "contains", "in"} {
				res := b.Get("/api/auth/books?" + url.Values{"title": {text}, "how": {how}}.Encode())
				found := -1
				if res.Status == 200 {
					found = len(res.JSON().([]any))
				}
				if want := matches("The one", how, text); found != want {
					t.Errorf("books by title %s %q: status %d, %d books, want %d", how, text, res.Status, found, want)
				}
			}
		}
		for _, value := range append(illFormed, notText...) {
			raw(b, "/api/auth/revoke-session", `{"token":`+value+`}`).Want(400)
		}
		for _, bad := range []string{"%00", "a%00b", "%ff", "%c0%80", "%ed%a0%80"} {
			if res := b.Get("/api/auth/books/" + bad); res.Status != 400 && res.Status != 404 {
				t.Errorf("books/%s: status %d, body %s", bad, res.Status, res.Body)
			}
			b.Get("/api/auth/books?title=" + bad).Want(400)
		}
		b.Get("/me").Want(200)
		if now := len(tableOf(t, auth, core.TableSession)); now != sessions {
			t.Errorf("%d sessions are left of %d", now, sessions)
		}
		if books := tableOf(t, auth, "book"); len(books) != 1 {
			t.Errorf("%d books", len(books))
		}
		by.wantUntouched(t)
	})
}

// matches is how many of one title match.
func matches(title, how, text string) int {
	var ok bool
	switch how {
	case "":
		ok = title == text
	case "in":
		ok = title == text
	case "prefix":
		ok = strings.HasPrefix(title, text)
	case "suffix":
		ok = strings.HasSuffix(title, text)
	case "contains":
		ok = strings.Contains(title, text)
	}
	if ok {
		return 1
	}
	return 0
}
