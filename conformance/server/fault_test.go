package main

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/internal/testenv"
)

type m = map[string]any

// visit returns a browser on an application with the environment.
func visit(t *testing.T, vars map[string]string) *browser.Browser {
	t.Helper()
	vars["BASE_URL"] = browser.Origin
	cfg, err := readConfig(environ(vars))
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return browser.New(t, a.handler(cfg.adapter))
}

// everyStore runs a test on every kind of store, and so on every adapter.
func everyStore(t *testing.T, test func(t *testing.T, b *browser.Browser, store string)) {
	adapters := []string{"echo", "gin", "nethttp"}
	for i, store := range []string{"memory", "sqlite:", "sqlite::memory:", "postgres", "mysql"} {
		adapter := adapters[i%len(adapters)]
		t.Run(store+", "+adapter, func(t *testing.T) {
			t.Parallel()
			url := store
			switch store {
			case "sqlite:":
				url += t.TempDir() + "/a.db"
			case "postgres":
				url = testenv.Postgres(t)
			case "mysql":
				url = testenv.MySQL(t)
			}
			test(t, visit(t, map[string]string{"ADAPTER": adapter, "STORE": url, "POOL_MAX": "2"}), store)
		})
	}
}

func signUp(b *browser.Browser, email string) *browser.Answer {
	return b.Clone().Post("/api/auth/sign-up/email", m{"name": "x", "email": email, "password": "password789"})
}

// fired has nothing fail any more, and tells whether something has.
func fired(b *browser.Browser) bool {
	return b.Post("/__test/fault", m{}).Want(200).JSON("fired") == true
}

func TestEveryStatementCanBeMadeToFail(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, b *browser.Browser, store string) {
		for _, kind := range []string{"40001", "reset"} {
			n, hits := 0, map[int]int{}
			for {
				n++
				email := kind + "-" + strconv.Itoa(n) + "@b.com"
				if res := b.Post("/__test/fault", m{"statement": n, "error": kind}).Want(200); res.Body != "{}" {
					t.Errorf("answer %s", res.Body)
				}
				status := signUp(b, email).Status
				if !fired(b) {
					break
				}
				hits[status]++
				if again := signUp(b, email).Status; again != 200 && again != 422 {
					t.Errorf("%s at statement %d: status %d, and %d when tried again", kind, n, status, again)
				}
			}
			conflict := kind != "reset" && !strings.HasPrefix(store, "sqlite")
			if n < 4 || hits[200]+hits[503] != n-1 || conflict == (hits[503] > 0) {
				t.Errorf("%s: statuses %v of %d", kind, hits, n-1)
			}
		}
	})
}

func TestEveryHookCanBeMadeToFail(t *testing.T) {
	t.Parallel()
	everyStore(t, func(t *testing.T, b *browser.Browser, _ string) {
		for _, c := range []struct {
			fault  m
			status int
		}{
			{m{"hook": "before-user-create", "panic": true}, 500},
			{m{"hook": "before-account-create", "error": "hidden"}, 500},
			{m{"hook": "before-session-create", "panic": true}, 500},
			{m{"hook": "after-user-create", "panic": true}, 200},
			{m{"hook": "after-session-create", "error": "hidden"}, 200},
		} {
			hook := c.fault["hook"].(string)
			b.Post("/__test/fault", c.fault).Want(200)
			for range 2 { // until further notice
				res := signUp(b, strconv.Itoa(len(hook))+hook+"@b.com").Want(c.status)
				if strings.Contains(res.Body, "hidden") || strings.Contains(res.Body, "asked") {
					t.Errorf("%s: body %s", hook, res.Body)
				}
				if c.status == 200 || hook == "before-session-create" {
					break
				}
			}
			if !fired(b) {
				t.Errorf("%s has not happened", hook)
			}
			if fired(b) {
				t.Errorf("%s has happened again", hook)
			}
		}
		signUp(b, "a@b.com").Want(200)
	})
}

func TestFaultsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	b := visit(t, map[string]string{})
	b.Post("/__test/fault", m{"statement": 1000, "error": "reset"}).Want(200)
	for _, body := range []m{
		{"statement": 1},
		{"statement": -1, "error": "reset"},
		{"statement": 1, "error": "23505"},
		{"statement": 1, "error": "reset", "panic": true},
		{"statement": 1, "error": "reset", "hook": "before-user-create"},
		{"hook": "before-user-create"},
		{"hook": "before-user-create", "panic": true, "error": "x"},
		{"hook": "before-user-read", "panic": true},
		{"hook": "user-create", "panic": true},
		{"error": "reset"},
		{"panic": true},
		{"other": 1},
	} {
		if res := b.Post("/__test/fault", body).Want(400); res.Text("error") == "" {
			t.Errorf("%v: answer %s", body, res.Body)
		}
	}
}
