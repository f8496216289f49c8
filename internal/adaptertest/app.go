package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/store"
)

const (
	prefix        = "/api/auth"
	password      = "password789"
	sessionCookie = "better-auth.session_token"
	// fanOut is how many goroutines of one request ask who is signed in.
	fanOut = 32
)

type m = map[string]any

// bench makes applications for one case.
type bench struct {
	build  func(App) http.Handler
	layout func(*App)
}

// app is an application on an engine of its own.
type app struct {
	App
	*Engine
	handler http.Handler
	// flushed lets the handler of /stream go on.
	flushed chan struct{}
}

// app makes an application after the changes.
func (b *bench) app(t testing.TB, change ...func(*core.Config, *App)) *app {
	t.Helper()
	a := &app{flushed: make(chan struct{})}
	b.layout(&a.App)
	a.Engine = NewEngine(t, func(cfg *core.Config) {
		cfg.Plugins = []core.Plugin{things{}}
		for _, f := range change {
			f(cfg, &a.App)
		}
	})
	a.App.Auth, a.Routes = a.Engine.Auth, a.routes()
	a.handler = b.build(a.App)
	return a
}

func (a *app) browser() *browser.Browser { return browser.New(a.t, a.handler) }

func (a *app) signedIn() *browser.Browser {
	a.t.Helper()
	return a.SignedIn(a.handler)
}

func (a *app) sessions() int64 {
	n, err := a.App.Auth.Database().Count(context.Background(), core.TableSession, store.Where{})
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

// routes are those of the application itself.
func (a *app) routes() []Route {
	return []Route{
		{http.MethodGet, "/public", nil, hello},
		{http.MethodGet, "/lazy", []Guard{Session}, hello},
		{http.MethodGet, "/optional", []Guard{Session}, optional},
		{http.MethodGet, "/user", []Guard{Session}, user},
		{http.MethodGet, "/session", []Guard{Session, RequireSession}, everywhere},
		{http.MethodGet, "/unattached", nil, everywhere},
		{http.MethodGet, "/api/me", []Guard{RequireSession}, user},
		{http.MethodPost, "/api/me", []Guard{RequireSession}, hello},
		{http.MethodPost, "/api/fresh", []Guard{RequireFresh}, hello},
		{http.MethodGet, "/twice", []Guard{Session, RequireSession, Session, RequireFresh, RequireSession, Session}, everywhere},
		{http.MethodGet, "/users/:id", []Guard{RateLimit}, hello},
		{http.MethodGet, "/people/:id", []Guard{Session, RateLimit}, hello},
		{http.MethodPost, "/note", []Guard{Session, CheckOrigin}, hello},
		{http.MethodPost, "/unchecked", []Guard{RequireSession}, hello},
		{http.MethodPost, "/login", []Guard{Session}, a.login},
		{http.MethodGet, "/panic", []Guard{Session}, func(Visit) (any, error) { panic("the secret of the panic") }},
		{http.MethodGet, "/fails", []Guard{Session}, fails},
		{http.MethodGet, "/fan-out", []Guard{Session}, askAtOnce},
		{http.MethodGet, "/stream", []Guard{RequireSession}, a.stream},
		{http.MethodGet, "/hijack", []Guard{RequireSession}, hijack},
		// Below the engine's own path, beside its endpoints.
		{http.MethodGet, prefix + "/custom", nil, hello},
		{http.MethodGet, prefix + "/ok2", nil, hello},
		{http.MethodPut, prefix + "/ok", nil, hello},
	}
}

func hello(Visit) (any, error) { return m{"hello": true}, nil }

func answerWith(user *core.User) m {
	if user == nil {
		return m{"user": nil}
	}
	return m{"user": user.Email}
}

// optional asks in the way that has an error.
func optional(v Visit) (any, error) {
	id, err := v.Identity()
	if err != nil {
		return nil, err
	}
	if id == nil {
		return answerWith(nil), nil
	}
	return answerWith(id.User), nil
}

// user asks in the way that has none.
func user(v Visit) (any, error) { return answerWith(v.User()), nil }

// everywhere asks in every way there is, and for all of them to agree.
func everywhere(v Visit) (any, error) {
	ctx := v.Request.Context()
	id, err := v.Identity()
	if err != nil {
		return nil, err
	}
	inContext, err := core.CurrentUser(ctx)
	if err != nil {
		return nil, err
	}
	session, err := core.CurrentSession(ctx)
	if err != nil {
		return nil, err
	}
	kept, _ := v.Kept.(*core.Request)
	if kept != core.RequestFrom(ctx) {
		return nil, errors.New("the framework's context and the request's hold different sessions")
	}
	if id == nil {
		return m{"user": nil, "agree": v.User() == nil && v.CurrentSession() == nil && inContext == nil && session == nil}, nil
	}
	return m{
		"user":  id.User.Email,
		"agree": v.User() == id.User && v.CurrentSession() == id.Session && inContext == id.User && session == id.Session,
	}, nil
}

// login is the form of a server-rendered page.
func (a *app) login(v Visit) (any, error) {
	reply, err := a.App.Auth.SignInEmail(v.Request.Context(), core.SignInEmailInput{
		Email: v.Request.FormValue("email"), Password: v.Request.FormValue("password"),
	})
	if err != nil {
		return nil, err
	}
	reply.Apply(v.Writer)
	return answerWith(reply.Value.User), nil
}

// fails returns errors of the engine as a handler meets them.
func fails(v Visit) (any, error) {
	switch how := v.Request.URL.Query().Get("how"); how {
	case "sentinel":
		return nil, core.ErrUnauthorized
	case "wrapped":
		return nil, fmt.Errorf("import: %w", core.ErrSessionNotFresh)
	case "retry":
		return nil, &core.Error{Status: 429, Code: "TOO_MANY_REQUESTS", Message: "Slow down", RetryAfter: 89500 * time.Millisecond}
	case "cause":
		return nil, core.ErrUnauthorized.Because(errDetail)
	case "storage":
		return nil, fmt.Errorf("load user: %w: %w", store.ErrUnavailable, errDetail)
	default:
		return nil, fmt.Errorf("no such failure: %q", how)
	}
}

// askAtOnce has many goroutines ask who is signed in.
func askAtOnce(v Visit) (any, error) {
	ids, errs := make([]*core.Identity, fanOut), make([]error, fanOut)
	var wg sync.WaitGroup
	for i := range fanOut {
		wg.Go(func() { ids[i], errs[i] = v.Identity() })
	}
	wg.Wait()
	for i := range fanOut {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if ids[i] != ids[0] {
			return nil, errors.New("two goroutines got different answers")
		}
	}
	if ids[0] == nil {
		return answerWith(nil), nil
	}
	return answerWith(ids[0].User), nil
}

// stream sends a first line, and a second one when the client has the first.
func (a *app) stream(v Visit) (any, error) {
	_, _ = io.WriteString(v.Writer, "one\n")
	if err := http.NewResponseController(v.Writer).Flush(); err != nil {
		return nil, err
	}
	select {
	case <-a.flushed:
	case <-v.Request.Context().Done():
	}
	_, _ = io.WriteString(v.Writer, "two\n")
	return nil, nil
}

// hijack takes the connection over and answers by itself.
func hijack(v Visit) (any, error) {
	conn, _, err := http.NewResponseController(v.Writer).Hijack()
	if err != nil {
		return nil, err
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 299 Hijacked\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	return nil, conn.Close()
}

// things is a plugin with an endpoint that has a parameter in its path.
type things struct{}

func (things) Name() string { return "things" }

func (things) Register(r *core.Registry) error {
	type input struct {
		ID string `json:"id" in:"path"`
	}
	r.Endpoints(&core.Endpoint[input, m]{
		Method: http.MethodGet, Path: "/things/:id",
		Do: func(_ context.Context, _ *core.Request, in input) (m, error) { return m{"thing": in.ID}, nil },
	})
	return nil
}
