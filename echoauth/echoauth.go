// Package echoauth puts Ostiary into an Echo v4 application.
//
//	e := echo.New()
//	echoauth.Mount(e, auth)         // every endpoint is an Echo route
//	e.Use(echoauth.Session(auth))   // reads nothing until somebody asks
//
//	api := e.Group("/api", echoauth.RequireSession(auth))
//	api.GET("/me", func(c echo.Context) error {
//		return c.JSON(http.StatusOK, echoauth.User(c))
//	})
//	api.POST("/import", importRows, echoauth.RateLimit(auth, ratelimit.PerMinute(5)))
//
// The package translates and decides nothing: what it offers is what package
// ginauth offers, under the same names. The one thing to know: middleware
// refuses by returning an *echo.HTTPError whose Message is the [core.Error],
// so the application's HTTPErrorHandler decides what is sent. Missing is 401,
// not allowed is 403, storage that cannot answer is 503.
package echoauth

import (
	"errors"
	"fmt"

	"github.com/labstack/echo/v4"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ratelimit"
)

// ContextKey is the key under which an echo.Context holds the
// [*core.Request] behind the session middleware. [core.RequestFrom] finds the
// same in the context of the request.
const ContextKey = "ostiary"

// Router is what [Mount] needs: an *echo.Echo or an *echo.Group.
type Router interface {
	Add(method, path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route
	RouteNotFound(path string, h echo.HandlerFunc, m ...echo.MiddlewareFunc) *echo.Route
}

// Mount registers every endpoint of the engine as a route of its own, beside
// the application's routes. On a group, whose middleware then applies, the
// group's prefix must be the engine's base path:
//
//	echoauth.Mount(e.Group(auth.BasePath(), middleware.CORS()), auth)
//
// It panics where it is not, as Echo does for routes that cannot be.
func Mount(r Router, auth *core.Auth) {
	prefix := ""
	if _, root := r.(*echo.Echo); root {
		prefix = auth.BasePath()
	}
	paths := map[string]bool{}
	for _, route := range auth.Routes() {
		got := r.Add(route.Method, prefix+route.Path, func(c echo.Context) error {
			route.ServeHTTP(c.Response(), c.Request())
			return nil
		}).Path
		if want := auth.BasePath() + route.Path; got != want {
			panic(fmt.Sprintf("echoauth: endpoint mounted at %q, but BaseURL and BasePath say %q: mount on e.Group(auth.BasePath())", got, want))
		}
		paths[route.Path] = true
	}
	// Echo answers 405 where a path is known and the method is not. The wire
	// protocol has no such answer: such a request is the application's 404.
	for path := range paths {
		r.RouteNotFound(prefix+path, func(echo.Context) error { return echo.ErrNotFound })
	}
}

// Session lets handlers ask who is signed in, with [User], [CurrentSession]
// and [Identity]. It refuses nobody and reads nothing: the first question of a
// request does.
func Session(auth *core.Auth) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			attach(c, auth)
			return proceed(c, auth, next)
		}
	}
}

// RequireSession lets through who is signed in and refuses others with 401
// [core.ErrUnauthorized].
func RequireSession(auth *core.Auth) echo.MiddlewareFunc {
	return guard(auth, func(c echo.Context) error {
		_, err := auth.Authenticate(c.Request().Context())
		return err
	})
}

// RequireFresh lets through who signed in lately, see
// [core.SessionConfig.FreshAge], and refuses others with 401
// [core.ErrUnauthorized] or 403 [core.ErrSessionNotFresh].
func RequireFresh(auth *core.Auth) echo.MiddlewareFunc {
	return guard(auth, func(c echo.Context) error {
		_, err := auth.AuthenticateFresh(c.Request().Context())
		return err
	})
}

// CheckOrigin refuses requests that change something and come from a page of
// an origin that is not trusted, with 403. See [core.Auth.CheckOrigin].
func CheckOrigin(auth *core.Auth) echo.MiddlewareFunc {
	return guard(auth, func(c echo.Context) error { return auth.CheckOrigin(c.Request()) })
}

// RateLimit lets through as many requests as the rule allows for each client
// and route, and refuses more with 429 [core.ErrTooManyRequests]. All
// parameters of one route pattern share a count. The rule's Method and Path
// are ignored: where it is used says both. Put it behind [Session] when the
// rule's By asks who is signed in.
func RateLimit(auth *core.Auth, rule ratelimit.Rule) echo.MiddlewareFunc {
	return guard(auth, func(c echo.Context) error {
		return auth.Limit(c.Request().Context(), c.Response().Header(), rule, c.Request(), c.Path())
	})
}

// Identity returns the session of the request with its user, nil when nobody
// is signed in. The error, an *echo.HTTPError with status 503 that a handler
// can return as it is, means that storage could not tell.
func Identity(c echo.Context) (*core.Identity, error) {
	r := core.RequestFrom(c.Request().Context())
	if r == nil {
		return nil, nil
	}
	id, err := r.Identity(c.Request().Context())
	if err != nil {
		return nil, refuse(c, r.Auth(), err)
	}
	return id, nil
}

// User returns the signed-in user, nil when nobody is signed in. Behind
// [RequireSession] it is never nil.
//
// Behind [Session] alone the storage may fail to answer, and "nobody" would be
// wrong then: User panics with the *echo.HTTPError of status 503 that
// [Identity] returns, which the middleware turns into the answer.
func User(c echo.Context) *core.User {
	if id := mustIdentity(c); id != nil {
		return id.User
	}
	return nil
}

// CurrentSession returns the session of the request, nil when nobody is signed
// in. It panics where [User] does.
func CurrentSession(c echo.Context) *core.Session {
	if id := mustIdentity(c); id != nil {
		return id.Session
	}
	return nil
}

func mustIdentity(c echo.Context) *core.Identity {
	id, err := Identity(c)
	if err != nil {
		panic(err)
	}
	return id
}

// proceed runs the handler. A [core.Error] that it returns, from a call of the
// engine, and the panic of [User] become errors that Echo understands.
func proceed(c echo.Context, auth *core.Auth, next echo.HandlerFunc) (err error) {
	defer func() {
		p := recover()
		if refusal, ok := p.(*echo.HTTPError); ok {
			err = refusal
			return
		}
		if p != nil {
			panic(p)
		}
	}()
	err = next(c)
	var refusal *core.Error
	if _, translated := err.(*echo.HTTPError); !translated && errors.As(err, &refusal) {
		return refuse(c, auth, err)
	}
	return err
}

func guard(auth *core.Auth, check func(echo.Context) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			attach(c, auth)
			if err := check(c); err != nil {
				return refuse(c, auth, err)
			}
			return proceed(c, auth, next)
		}
	}
}

// attach makes the session readable from both contexts, once a request.
func attach(c echo.Context, auth *core.Auth) {
	if auth.Attached(c.Request().Context()) {
		return
	}
	c.SetRequest(auth.Attach(c.Response(), c.Request()))
	c.Set(ContextKey, core.RequestFrom(c.Request().Context()))
}

// refuse hands an error to Echo's own error path.
func refuse(c echo.Context, auth *core.Auth, err error) error {
	e := auth.Report(c.Request().Context(), c.Response().Header(), err)
	return &echo.HTTPError{Code: e.Status, Message: e, Internal: err}
}
