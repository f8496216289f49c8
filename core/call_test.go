package core_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/core"
)

// A page that the server renders signs the browser in by calling the engine
// and applying what it answers.
func TestEndpointsAreCalledFromGo(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /join", func(w http.ResponseWriter, r *http.Request) {
		r = a.Attach(w, r)
		reply, err := a.SignUpEmail(r.Context(), core.SignUpEmailInput{Name: "Al", Email: "a@b.com", Password: "password789"})
		if err != nil {
			a.WriteError(w, r, err)
			return
		}
		reply.Apply(w)
		_, _ = w.Write([]byte(reply.Value.User.Email))
	})
	mux.HandleFunc("POST /leave", func(w http.ResponseWriter, r *http.Request) {
		r = a.Attach(w, r)
		reply, err := a.SignOut(r.Context())
		if err != nil {
			a.WriteError(w, r, err)
			return
		}
		reply.Apply(w)
	})
	mux.Handle("/", a.handler)
	a.handler = mux

	b := a.browser(t)
	if res := b.Post("/join", m{}).Want(200); res.Body != "a@b.com" {
		t.Errorf("body %q", res.Body)
	}
	if got := b.Get("/api/auth/get-session").Text("session", "userAgent"); got != "browser/1" {
		t.Errorf("user agent %q", got)
	}
	b.Post("/join", m{}).WantCode(422, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL")
	b.Post("/leave", m{}).Want(200)
	if b.Get("/api/auth/get-session").Body != "null" {
		t.Error("still signed in")
	}
}

func TestCallsFromGoAreValidatedAndGuarded(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	ctx := context.Background()
	_, err := a.SignUpEmail(ctx, core.SignUpEmailInput{Name: "Al", Email: "nonsense", Password: "password789"})
	if !errors.Is(err, core.ErrValidation) || !strings.Contains(err.Error(), "[body.email] Invalid email address") {
		t.Errorf("error %v", err)
	}
	if _, err := a.ListSessions(ctx); !errors.Is(err, core.ErrUnauthorized) {
		t.Errorf("error %v", err)
	}
	if reply, err := a.GetSession(ctx); err != nil || reply.Value != nil {
		t.Errorf("session of nobody: %v (%v)", reply, err)
	}
	if _, err := a.SignInEmail(ctx, core.SignInEmailInput{Email: "a@b.com", Password: "password789"}); !errors.Is(err, core.ErrWrongCredentials) {
		t.Errorf("error %v", err)
	}
}

func ExampleAuth_SignInEmail() {
	auth := exampleAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	// In a handler: sign the browser in and go on as that user.
	signIn := func(w http.ResponseWriter, r *http.Request) {
		r = auth.Attach(w, r) // the session middleware does this
		reply, err := auth.SignInEmail(r.Context(), core.SignInEmailInput{
			Email: r.FormValue("email"), Password: r.FormValue("password"),
		})
		if err != nil {
			auth.WriteError(w, r, err)
			return
		}
		reply.Apply(w) // the cookies
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}

	w := httptest.NewRecorder()
	signIn(w, httptest.NewRequest(http.MethodPost, "/login?email=al@example.com&password=not-the-one", nil))
	printResponse(w)
	// Output: 401 {"code":"INVALID_EMAIL_OR_PASSWORD","message":"Invalid email or password"}
}
