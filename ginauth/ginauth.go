// Package ginauth puts Ostiary into a Gin application.
//
//	r := gin.New()
//	ginauth.Mount(r, auth)         // every endpoint is a Gin route
//	r.Use(ginauth.Session(auth))   // reads nothing until somebody asks
//
//	api := r.Group("/api", ginauth.RequireSession(auth))
//	api.GET("/me", func(c *gin.Context) {
//		c.JSON(http.StatusOK, ginauth.User(c))
//	})
//	api.POST("/import", ginauth.RateLimit(auth, ratelimit.PerMinute(5)), importRows)
//
// The package translates and decides nothing: what it offers is what package
// echoauth offers, under the same names. The one thing to know: middleware
// refuses by c.Error with a [*core.Error] that is fit to be sent, c.Status and
// c.Abort. Error middleware of the application answers it; what nobody has
// answered, the outermost of this package's middleware answers as JSON.
// Missing is 401, not allowed is 403, storage that cannot answer is 503. An
// error of the engine that a handler passes to c.Error is answered likewise;
// [core.AsError] makes it what error middleware expects.
//
// So the order is: gin.Recovery, [Session], error middleware, the rest.
package ginauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ratelimit"
)

// ContextKey is the key under which a gin.Context holds the [*core.Request]
// behind the session middleware. [core.RequestFrom] finds the same in the
// context of the request.
const ContextKey = "ostiary"

// Mount registers every endpoint of the engine as a route of its own, beside
// the application's routes. On a group, whose middleware then applies, the
// group's prefix must be the engine's base path:
//
//	ginauth.Mount(r.Group(auth.BasePath(), gzip.Gzip(gzip.DefaultCompression)), auth)
//
// It panics where it is not, as Gin does for routes that cannot be. A request
// for an endpoint's path with another method is one for no route, which
// middleware of a group does not see: CORS middleware, whose preflights are
// such requests, belongs on the gin.Engine. Where plugins have parameters in
// their paths, set UseRawPath of the gin.Engine, or an encoded slash in one
// ends it.
func Mount(r gin.IRouter, auth *core.Auth) {
	prefix := auth.BasePath()
	if _, root := r.(*gin.Engine); !root {
		at := r.Group("").BasePath()
		if at != prefix && (at != "/" || prefix != "") {
			panic(fmt.Sprintf("ginauth: mounted on a group at %q, but BaseURL and BasePath say %q: mount on r.Group(auth.BasePath())", at, prefix))
		}
		prefix = ""
	}
	for _, route := range auth.Routes() {
		r.Handle(route.Method, prefix+route.Path, func(c *gin.Context) {
			route.ServeHTTP(c.Writer, c.Request)
		})
	}
}

// Session lets handlers ask who is signed in, with [User], [CurrentSession]
// and [Identity]. It refuses nobody and reads nothing: the first question of a
// request does.
func Session(auth *core.Auth) gin.HandlerFunc {
	return guard(auth, func(*gin.Context) error { return nil })
}

// RequireSession lets through who is signed in and refuses others with 401
// [core.ErrUnauthorized].
func RequireSession(auth *core.Auth) gin.HandlerFunc {
	return guard(auth, func(c *gin.Context) error {
		_, err := auth.Authenticate(c.Request.Context())
		return err
	})
}

// RequireFresh lets through who signed in lately, see
// [core.SessionConfig.FreshAge], and refuses others with 401
// [core.ErrUnauthorized] or 403 [core.ErrSessionNotFresh].
func RequireFresh(auth *core.Auth) gin.HandlerFunc {
	return guard(auth, func(c *gin.Context) error {
		_, err := auth.AuthenticateFresh(c.Request.Context())
		return err
	})
}

// CheckOrigin refuses requests that change something and come from a page of
// an origin that is not trusted, with 403. See [core.Auth.CheckOrigin]. No
// other middleware of this package does that for the application's routes.
func CheckOrigin(auth *core.Auth) gin.HandlerFunc {
	return guard(auth, func(c *gin.Context) error { return auth.CheckOrigin(c.Request) })
}

// RateLimit lets through as many requests as the rule allows for each client
// and route, and refuses more with 429 [core.ErrTooManyRequests]. All
// parameters of one route pattern share a count. The rule's Method and Path are
// ignored, because where it is used says both; its By may ask
// [core.CurrentUser].
//
// It panics when the rule is invalid, see [ratelimit.Rule.Validate].
func RateLimit(auth *core.Auth, rule ratelimit.Rule) gin.HandlerFunc {
	if err := rule.Validate(); err != nil {
		panic(fmt.Sprintf("ginauth: %v", err))
	}
	return guard(auth, func(c *gin.Context) error {
		return auth.Limit(c.Request.Context(), c.Writer.Header(), rule, c.Request, c.FullPath())
	})
}

// Identity returns the session of the request with its user, nil when nobody
// is signed in. The error, a [*core.Error] with status 503 that a handler can
// pass to c.Error as it is, means that storage could not tell. It is safe for
// concurrent use; the first call may set cookies on the response.
func Identity(c *gin.Context) (*core.Identity, error) {
	ctx := c.Request.Context()
	r := core.RequestFrom(ctx)
	if r == nil {
		return nil, nil
	}
	id, err := r.Identity(ctx)
	if err != nil {
		// Goroutines may ask, so nothing is written or logged here: middleware
		// does that with what comes back to it.
		return nil, core.AsError(err)
	}
	return id, nil
}

// User returns the signed-in user, nil when nobody is signed in. Behind
// [RequireSession] it is never nil.
//
// Behind [Session] alone the storage may fail to answer, and "nobody" would be
// wrong then: User panics with the [*core.Error] of status 503 that [Identity]
// returns, which the middleware turns into the answer. Middleware between that
// and the handler sees a panic; where it should see an error, ask Identity. So
// do goroutines that a handler starts, because nothing catches their panics.
func User(c *gin.Context) *core.User {
	if id := mustIdentity(c); id != nil {
		return id.User
	}
	return nil
}

// CurrentSession returns the session of the request, nil when nobody is signed
// in. It panics where [User] does.
func CurrentSession(c *gin.Context) *core.Session {
	if id := mustIdentity(c); id != nil {
		return id.Session
	}
	return nil
}

func mustIdentity(c *gin.Context) *core.Identity {
	id, err := Identity(c)
	if err != nil {
		panic(err)
	}
	return id
}

func guard(auth *core.Auth, check func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		_, inner := c.Get(ContextKey)
		w := c.Writer
		attach(c, auth)
		proceed(c, auth, check)
		// Not deferred: a panic of the application is not ours to answer.
		if !inner {
			answer(c, auth, w)
		}
	}
}

// attach makes the session readable from both contexts. Of several engines the
// one asked last is the one that [User] asks.
func attach(c *gin.Context, auth *core.Auth) {
	r := core.RequestFrom(c.Request.Context())
	if r == nil || r.Auth() != auth {
		c.Request = auth.Attach(c.Writer, c.Request)
		r = core.RequestFrom(c.Request.Context())
	}
	c.Set(ContextKey, r)
}

// proceed runs the handlers behind a check that passes. The panic of [User]
// becomes the error that it is.
func proceed(c *gin.Context, auth *core.Auth, check func(*gin.Context) error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		refusal, ok := p.(*core.Error)
		if !ok {
			panic(p)
		}
		refuse(c, auth, refusal)
	}()
	if err := check(c); err != nil {
		refuse(c, auth, err)
		return
	}
	c.Next()
}

// refusedKey is the key of the error that [refuse] has reported.
type refusedKey struct{}

// refuse hands an error to Gin's own error path, without its cause: error
// middleware shows public errors to clients.
func refuse(c *gin.Context, auth *core.Auth, err error) {
	e := auth.Report(c.Request.Context(), c.Writer.Header(), err)
	public := &core.Error{Status: e.Status, Code: e.Code, Message: e.Message, RetryAfter: e.RetryAfter}
	c.Set(refusedKey{}, public)
	_ = c.Error(public).SetType(gin.ErrorTypePublic)
	c.Status(e.Status)
	c.Abort()
}

// answer writes the refusal that nobody has answered to w, the writer as it
// was before the handlers ran. Gin itself would send the bare status.
func answer(c *gin.Context, auth *core.Auth, w gin.ResponseWriter) {
	e := lastRefusal(c)
	if e == nil || w.Written() {
		return
	}
	// A status without a body is an answer too, such as a redirect of a POST.
	if status := w.Status(); status != http.StatusOK && status != e.Status {
		return
	}
	if reported, _ := c.Get(refusedKey{}); reported != any(e) {
		e = auth.Report(c.Request.Context(), w.Header(), e)
	}
	if c.Writer != w {
		// Middleware that has wrapped the writer is done with it, and what it has
		// announced of the body does not hold for this one.
		c.Writer = w
		w.Header().Del("Content-Encoding")
		w.Header().Del("Content-Length")
	}
	c.JSON(e.Status, e)
}

// lastRefusal returns the last of the request's errors that is the engine's,
// or nil.
func lastRefusal(c *gin.Context) *core.Error {
	for _, err := range slices.Backward(c.Errors) {
		if e := core.AsError(err.Err); e.Status != http.StatusInternalServerError || errors.Is(err.Err, e) {
			return e
		}
	}
	return nil
}
