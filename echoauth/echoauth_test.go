package echoauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/echoauth"
	"github.com/ostiary/ostiary/internal/adaptertest"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAdapter(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Adapter{
		Build: build,
		MountOnGroup: func(auth *core.Auth, prefix string) {
			echoauth.Mount(echo.New().Group(prefix), auth)
		},
	})
}

// build makes the application of the shared cases.
func build(app adaptertest.App) http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		switch {
		case errors.Is(err, echo.ErrNotFound):
			app.Auth.WriteError(c.Response(), c.Request(), core.ErrNotFound)
		case app.OwnErrors:
			status, page := adaptertest.ErrorPage(err)
			_ = c.String(status, page)
		default:
			e.DefaultHTTPErrorHandler(err, c)
		}
	}
	e.Use(recovery)
	if app.OnGroup {
		e.Use(echoauth.Session(app.Auth))
		echoauth.Mount(e.Group(app.Auth.BasePath(), mark), app.Auth)
	} else {
		echoauth.Mount(e, app.Auth)
	}
	guards := map[adaptertest.Guard]echo.MiddlewareFunc{
		adaptertest.Session:        echoauth.Session(app.Auth),
		adaptertest.RequireSession: echoauth.RequireSession(app.Auth),
		adaptertest.RequireFresh:   echoauth.RequireFresh(app.Auth),
		adaptertest.CheckOrigin:    echoauth.CheckOrigin(app.Auth),
		adaptertest.RateLimit:      echoauth.RateLimit(app.Auth, adaptertest.Rule),
	}
	for _, rt := range app.Routes {
		var chain []echo.MiddlewareFunc
		for _, g := range rt.Guards {
			chain = append(chain, guards[g])
		}
		e.Add(rt.Method, rt.Path, handler(rt), chain...)
	}
	return e
}

// recovery does what middleware.Recover does.
func recovery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		defer func() {
			if p := recover(); p != nil {
				err, ok := p.(error)
				if !ok {
					err = fmt.Errorf("%v", p)
				}
				c.Error(err)
			}
		}()
		return next(c)
	}
}

func mark(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("X-Group", "auth")
		return next(c)
	}
}

func handler(rt adaptertest.Route) echo.HandlerFunc {
	return func(c echo.Context) error {
		kept := c.Get(echoauth.ContextKey)
		out, err := rt.Handle(adaptertest.Visit{
			Writer: c.Response(), Request: c.Request(), Kept: kept,
			Identity:       func() (*core.Identity, error) { return echoauth.Identity(c) },
			User:           func() *core.User { return echoauth.User(c) },
			CurrentSession: func() *core.Session { return echoauth.CurrentSession(c) },
		})
		if err != nil || out == nil {
			return err
		}
		return c.JSON(http.StatusOK, out)
	}
}

func hello(c echo.Context) error { return c.String(http.StatusOK, "hello") }

// app is an application with one handler behind the optional session.
type app struct {
	*echo.Echo
	*adaptertest.Engine
	// failure is the last error that reached the error handler.
	failure error
}

func newApp(t *testing.T, handler echo.HandlerFunc, between ...echo.MiddlewareFunc) *app {
	a := &app{Echo: echo.New(), Engine: adaptertest.NewEngine(t)}
	a.HTTPErrorHandler = func(err error, c echo.Context) {
		a.failure = err
		a.DefaultHTTPErrorHandler(err, c)
	}
	a.Use(echoauth.Session(a.Auth))
	a.Use(between...)
	a.GET("/", handler)
	return a
}

func TestErrorHandlersGetTheCauseAndClientsDoNot(t *testing.T) {
	t.Parallel()
	askUser := func(c echo.Context) error { return c.JSON(http.StatusOK, echoauth.User(c)) }
	askIdentity := func(c echo.Context) error {
		_, err := echoauth.Identity(c)
		return err
	}
	for name, c := range map[string]struct {
		handler echo.HandlerFunc
		between []echo.MiddlewareFunc
	}{
		"user":     {askUser, nil},
		"identity": {askIdentity, nil},
		"session": {func(c echo.Context) error {
			echoauth.CurrentSession(c)
			return nil
		}, nil},
		"wrapped": {func(c echo.Context) error { return fmt.Errorf("page: %w", askIdentity(c)) }, nil},
		// As middleware.Recover and middleware.Logger do where they stand behind
		// the session.
		"user, recovered in between": {askUser, []echo.MiddlewareFunc{recovery}},
		"identity, answered in between": {askIdentity, []echo.MiddlewareFunc{func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				c.Error(next(c))
				return nil
			}
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, c.handler, c.between...)
			visitor := a.SignedIn(a)
			a.StoreDown(true)
			visitor.Get("/").WantCode(503, "SERVICE_UNAVAILABLE")
			if !errors.Is(a.failure, core.ErrUnavailable) || !errors.Is(a.failure, store.ErrUnavailable) {
				t.Errorf("error %v", a.failure)
			}
			var refusal *echo.HTTPError
			if !errors.As(a.failure, &refusal) || strings.Contains(fmt.Sprint(refusal.Message), adaptertest.Detail) {
				t.Errorf("error %v", a.failure)
			}
		})
	}
}

func TestErrorHandlersGetWhatHandlersSay(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(echo.Context) error { return fmt.Errorf("import rows: %w", core.ErrUnauthorized) })
	browser.New(t, a).Get("/").WantCode(401, "UNAUTHORIZED")
	if !errors.Is(a.failure, core.ErrUnauthorized) || !strings.Contains(a.failure.Error(), "import rows") {
		t.Errorf("error %v", a.failure)
	}
}

func TestErrorsOfTheApplicationPass(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]error{
		"its own":                 errors.New("disk full"),
		"Echo's":                  echo.ErrTeapot,
		"Echo's about the engine": echo.NewHTTPError(http.StatusConflict, "no").SetInternal(core.ErrUserExists),
		"the engine's, retold":    echo.NewHTTPError(http.StatusConflict, core.ErrUserExists),
	} {
		a := newApp(t, func(echo.Context) error { return want })
		browser.New(t, a).Get("/")
		if any(a.failure) != any(want) {
			t.Errorf("%s: error %v", name, a.failure)
		}
	}
}

func TestPanicsOfTheApplicationPass(t *testing.T) {
	t.Parallel()
	for _, want := range []any{"a text", http.ErrAbortHandler, core.ErrUnauthorized, echo.ErrTeapot} {
		a := newApp(t, func(echo.Context) error { panic(want) })
		var got any
		browser.New(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { got = recover() }()
			a.ServeHTTP(w, r)
		})).Get("/")
		if got != want {
			t.Errorf("panic %v, want %v", got, want)
		}
	}
}

func TestGroupMiddlewareSeesPreflights(t *testing.T) {
	t.Parallel()
	e, auth := echo.New(), adaptertest.NewEngine(t).Auth
	cors := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if c.Request().Method == http.MethodOptions {
				return c.NoContent(http.StatusNoContent)
			}
			return next(c)
		}
	}
	echoauth.Mount(e.Group(auth.BasePath(), cors), auth)
	browser.New(t, e).Do(http.MethodOptions, "/api/auth/sign-in/email", "", nil).Want(204)
}

func TestTheApplicationsCatchAllGoesOnCatching(t *testing.T) {
	t.Parallel()
	e, auth := echo.New(), adaptertest.NewEngine(t).Auth
	echoauth.Mount(e, auth)
	e.RouteNotFound("/*", func(c echo.Context) error { return c.String(http.StatusNotFound, "nothing here") })
	e.DELETE("/*", hello)
	visitor := browser.New(t, e)
	if got := visitor.Get("/api/auth/sign-in/email").Want(404).Body; got != "nothing here" {
		t.Errorf("body %q", got)
	}
	visitor.Do(http.MethodDelete, "/api/auth/sign-in/email", "", nil).Want(200)
	visitor.Get("/api/auth/ok").Want(200)
}

func TestRequestsAttachedOutsideOfEchoAreKeptInItsContext(t *testing.T) {
	t.Parallel()
	var kept any
	a := newApp(t, func(c echo.Context) error {
		kept = c.Get(echoauth.ContextKey)
		return c.String(http.StatusOK, echoauth.User(c).Email)
	})
	var attached *core.Request
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = a.Auth.Attach(w, r)
		attached = core.RequestFrom(r.Context())
		a.ServeHTTP(w, r)
	})
	if got := a.SignedIn(outer).Get("/").Want(200).Body; got != "a@b.com" || kept != attached {
		t.Errorf("body %q, kept %v, want %v", got, kept, attached)
	}
}

func TestEachEngineAnswersForItself(t *testing.T) {
	t.Parallel()
	a := newApp(t, hello)
	other := adaptertest.NewEngine(t, func(c *core.Config) { c.CookiePrefix = "other" })
	a.GET("/other", hello, echoauth.RequireSession(other.Auth))
	a.GET("/both", hello, echoauth.RequireSession(a.Auth), echoauth.RequireSession(other.Auth))
	a.GET("/last", func(c echo.Context) error { return c.String(http.StatusOK, echoauth.User(c).Email) },
		echoauth.Session(other.Auth), echoauth.RequireSession(a.Auth))
	visitor := a.SignedIn(a)
	visitor.Get("/").Want(200)
	visitor.Get("/other").WantCode(401, "UNAUTHORIZED")
	visitor.Get("/both").WantCode(401, "UNAUTHORIZED")
	visitor.Get("/last").Want(200)
	visitor.SetCookie("other.session_token", other.SignedIn(a).Cookie("other.session_token"))
	visitor.Get("/other").Want(200)
	visitor.Get("/both").Want(200)
}

func TestRateLimitAsksTheRuleWhoIsCounted(t *testing.T) {
	t.Parallel()
	a := newApp(t, hello)
	limit := echoauth.RateLimit(a.Auth, ratelimit.Rule{
		Window: time.Minute, Max: 1,
		By: func(r *http.Request) string {
			user, err := core.CurrentUser(r.Context())
			if err != nil || user == nil {
				return ""
			}
			return user.ID
		},
	})
	a.GET("/limited", hello, limit)
	for _, visitor := range []*browser.Browser{browser.New(t, a), a.SignedIn(a)} {
		visitor.Get("/limited").Want(200)
		visitor.Get("/limited").WantCode(429, "TOO_MANY_REQUESTS")
	}

	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "echoauth: ratelimit.Rule.Max: -1") {
			t.Errorf("panic %q", p)
		}
	}()
	echoauth.RateLimit(a.Auth, ratelimit.PerMinute(-1))
}
