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
// refuses by returning an *echo.HTTPError, so the application's
// HTTPErrorHandler decides what is sent. Missing is 401, not allowed is 403,
// storage that cannot answer is 503. The Message of the error is a
// [*core.Error] that is fit to be sent; Internal, which errors.Is and errors.As
// look into, holds the cause as well. An error of the engine that a handler
// behind the middleware returns is turned into the same.
package echoauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

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
// It panics where it is not, as Echo does for routes that cannot be. A request
// for an endpoint's path with another method gets the application's 404,
// unless the application has a route for it.
func Mount(r Router, auth *core.Auth) {
	prefix := ""
	if _, root := r.(*echo.Echo); root {
		prefix = auth.BasePath()
	}
	paths := map[string]bool{}
	for _, route := range auth.Routes() {
		want := auth.BasePath() + route.Path
		if got := r.Add(route.Method, prefix+route.Path, serve(route, want)).Path; got != want {
			panic(fmt.Sprintf("echoauth: endpoint mounted at %q, but BaseURL and BasePath say %q: mount on e.Group(auth.BasePath())", got, want))
		}
		paths[route.Path] = true
	}
	// Echo answers 405 where a path is known and the method is not. The wire
	// protocol has no such answer.
	for path := range paths {
		r.RouteNotFound(prefix+path, notFound)
	}
}

// serve hands requests for the path pattern to the endpoint.
func serve(route core.Route, pattern string) echo.HandlerFunc {
	parameters, slashes := strings.Contains(pattern, ":"), strings.Count(pattern, "/")
	return func(c echo.Context) error {
		// At the end of a path Echo takes no segment, and several, for a
		// parameter; the engine takes one.
		if parameters && (slices.Contains(c.ParamValues(), "") || strings.Count(c.Request().URL.EscapedPath(), "/") != slashes) {
			return notFound(c)
		}
		route.ServeHTTP(c.Response(), c.Request())
		return nil
	}
}

// notFound is the application's 404: Echo lets it replace the variable.
func notFound(c echo.Context) error { return echo.NotFoundHandler(c) }

// Session lets handlers ask who is signed in, with [User], [CurrentSession]
// and [Identity]. It refuses nobody and reads nothing: the first question of a
// request does.
func Session(auth *core.Auth) echo.MiddlewareFunc {
	return guard(auth, func(echo.Context) error { return nil })
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
// an origin that is not trusted, with 403. See [core.Auth.CheckOrigin]. No
// other middleware of this package does that for the application's routes.
func CheckOrigin(auth *core.Auth) echo.MiddlewareFunc {
	return guard(auth, func(c echo.Context) error { return auth.CheckOrigin(c.Request()) })
}

// RateLimit lets through as many requests as the rule allows for each client
// and route, and refuses more with 429 [core.ErrTooManyRequests]. All
// parameters of one route pattern share a count. The rule's Method and Path are
// ignored, because where it is used says both; its By may ask
// [core.CurrentUser].
//
// It panics when the rule is invalid, see [ratelimit.Rule.Validate].
func RateLimit(auth *core.Auth, rule ratelimit.Rule) echo.MiddlewareFunc {
	if err := rule.Validate(); err != nil {
		panic(fmt.Sprintf("echoauth: %v", err))
	}
	return guard(auth, func(c echo.Context) error {
		return auth.Limit(c.Request().Context(), c.Response().Header(), rule, c.Request(), c.Path())
	})
}

// Identity returns the session of the request with its user, nil when nobody
// is signed in. The error, an *echo.HTTPError with status 503 that a handler
// can return as it is, means that storage could not tell. It is safe for
// concurrent use; the first call may set cookies on the response.
func Identity(c echo.Context) (*core.Identity, error) {
	ctx := c.Request().Context()
	r := core.RequestFrom(ctx)
	if r == nil {
		return nil, nil
	}
	id, err := r.Identity(ctx)
	if err != nil {
		// Goroutines may ask, so nothing is written or logged here: middleware
		// does that with what comes back to it.
		e := core.AsError(err)
		return nil, httpError(e, unreported{e})
	}
	return id, nil
}

// User returns the signed-in user, nil when nobody is signed in. Behind
// [RequireSession] it is never nil.
//
// Behind [Session] alone the storage may fail to answer, and "nobody" would be
// wrong then: User panics with the *echo.HTTPError of status 503 that
// [Identity] returns, which the middleware turns into the answer. Goroutines
// that a handler starts ask Identity, because nothing catches their panics.
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

// attach makes the session readable from both contexts. Of several engines the
// one asked last is the one that [User] asks.
func attach(c echo.Context, auth *core.Auth) {
	r := core.RequestFrom(c.Request().Context())
	if r == nil || r.Auth() != auth {
		c.SetRequest(auth.Attach(c.Response(), c.Request()))
		r = core.RequestFrom(c.Request().Context())
	}
	c.Set(ContextKey, r)
}

// proceed runs the handler. What it returns of the engine's errors, and the
// panic of [User], become errors that Echo understands.
func proceed(c echo.Context, auth *core.Auth, next echo.HandlerFunc) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		var pending unreported
		if refusal, ok := p.(error); !ok || !errors.As(refusal, &pending) {
			panic(p)
		}
		err = refuse(c, auth, pending.error)
	}()
	return translate(c, auth, next(c))
}

func translate(c echo.Context, auth *core.Auth, err error) error {
	if err == nil {
		return nil
	}
	var pending unreported
	if errors.As(err, &pending) {
		return refuse(c, auth, pending.error)
	}
	if understood := (*echo.HTTPError)(nil); errors.As(err, &understood) {
		return err
	}
	if e := core.AsError(err); e.Status == http.StatusInternalServerError && !errors.Is(err, e) {
		return err // the application's own
	}
	return refuse(c, auth, err)
}

// refuse hands an error to Echo's own error path.
func refuse(c echo.Context, auth *core.Auth, err error) error {
	e := auth.Report(c.Request().Context(), c.Response().Header(), err)
	if !errors.Is(err, e) {
		err = e
	}
	return httpError(e, err)
}

// httpError leaves the cause out of Message, which error handlers may print.
func httpError(e *core.Error, internal error) *echo.HTTPError {
	public := &core.Error{Status: e.Status, Code: e.Code, Message: e.Message, RetryAfter: e.RetryAfter}
	return &echo.HTTPError{Code: e.Status, Message: public, Internal: internal}
}

// unreported is an error that has not come back to the middleware yet.
type unreported struct{ error }

func (u unreported) Unwrap() error { return u.error }
