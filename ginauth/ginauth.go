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
// refuses by c.Error with the [core.Error], c.Abort and the status. Error
// middleware of the application that is registered behind [Session] answers
// it; what nobody has answered, the outermost of this package's middleware
// answers as JSON. Missing is 401, not allowed is 403, storage that cannot
// answer is 503.
package ginauth

import (
	"errors"
	"fmt"

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
//	ginauth.Mount(r.Group(auth.BasePath(), cors.Default()), auth)
//
// It panics where it is not, as Gin does for routes that cannot be.
func Mount(r gin.IRouter, auth *core.Auth) {
	prefix := ""
	switch at := r.Group("").BasePath(); {
	case at == "/" || at == "":
		prefix = auth.BasePath()
	case at != auth.BasePath():
		panic(fmt.Sprintf("ginauth: group %q, but BaseURL and BasePath say %q: mount on r.Group(auth.BasePath())", at, auth.BasePath()))
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
// an origin that is not trusted, with 403. See [core.Auth.CheckOrigin].
func CheckOrigin(auth *core.Auth) gin.HandlerFunc {
	return guard(auth, func(c *gin.Context) error { return auth.CheckOrigin(c.Request) })
}

// RateLimit lets through as many requests as the rule allows for each client
// and route, and refuses more with 429 [core.ErrTooManyRequests]. All
// parameters of one route pattern share a count. The rule's Method and Path
// are ignored: where it is used says both. Put it behind [Session] when the
// rule's By asks who is signed in.
func RateLimit(auth *core.Auth, rule ratelimit.Rule) gin.HandlerFunc {
	return guard(auth, func(c *gin.Context) error {
		return auth.Limit(c.Request.Context(), c.Writer.Header(), rule, c.Request, c.FullPath())
	})
}

// Identity returns the session of the request with its user, nil when nobody
// is signed in. The error, a [*core.Error] with status 503, means that storage
// could not tell.
func Identity(c *gin.Context) (*core.Identity, error) {
	r := core.RequestFrom(c.Request.Context())
	if r == nil {
		return nil, nil
	}
	id, err := r.Identity(c.Request.Context())
	if err != nil {
		return nil, core.AsError(err)
	}
	return id, nil
}

// User returns the signed-in user, nil when nobody is signed in. Behind
// [RequireSession] it is never nil.
//
// Behind [Session] alone the storage may fail to answer, and "nobody" would be
// wrong then: User panics with the [*core.Error] of status 503 that [Identity]
// returns, which the middleware turns into the answer.
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
		if attach(c, auth) {
			defer answer(c)
		}
		defer recoverRefusal(c, auth)
		if err := check(c); err != nil {
			refuse(c, auth, err)
			return
		}
		c.Next()
	}
}

// attach makes the session readable from both contexts, once a request, and
// reports whether this was the time.
func attach(c *gin.Context, auth *core.Auth) bool {
	if auth.Attached(c.Request.Context()) {
		return false
	}
	c.Request = auth.Attach(c.Writer, c.Request)
	c.Set(ContextKey, core.RequestFrom(c.Request.Context()))
	return true
}

// refuse hands an error to Gin's own error path.
func refuse(c *gin.Context, auth *core.Auth, err error) {
	e := auth.Report(c.Request.Context(), c.Writer.Header(), err)
	_ = c.Error(e).SetType(gin.ErrorTypePublic)
	c.Status(e.Status)
	c.Abort()
}

// recoverRefusal turns the panic of [User] back into the error that it is.
func recoverRefusal(c *gin.Context, auth *core.Auth) {
	p := recover()
	if refusal, ok := p.(*core.Error); ok {
		refuse(c, auth, refusal)
		return
	}
	if p != nil {
		panic(p)
	}
}

// answer writes a refusal that nobody has answered. Gin itself would send the
// bare status.
func answer(c *gin.Context) {
	last := c.Errors.Last()
	var e *core.Error
	if last == nil || c.Writer.Written() || !errors.As(last.Err, &e) {
		return
	}
	c.JSON(e.Status, e)
}
