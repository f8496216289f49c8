package main

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/echoauth"
)

func (a *app) echo(auths []*core.Auth) http.Handler {
	auth := auths[0]
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) { echoError(auth, err, c) }
	for _, auth := range auths {
		echoauth.Mount(e, auth)
	}
	e.Use(echoauth.Session(auth))
	guards := map[guard]echo.MiddlewareFunc{
		signedIn:          echoauth.RequireSession(auth),
		signedInLately:    echoauth.RequireFresh(auth),
		fromTrustedOrigin: echoauth.CheckOrigin(auth),
		limited:           echoauth.RateLimit(auth, limit),
	}
	for _, rt := range routes {
		// Echo would answer other methods with 204 and 405.
		e.RouteNotFound(rt.path, func(echo.Context) error { return echo.ErrNotFound })
		chain := []echo.MiddlewareFunc{oneSegment}
		for _, g := range rt.guards {
			chain = append(chain, guards[g])
		}
		e.Add(rt.method, rt.path, func(c echo.Context) error {
			out, err := rt.answer(func() (*core.Identity, error) { return echoauth.Identity(c) })
			if err != nil {
				return err
			}
			respond(c.Response(), http.StatusOK, out)
			return nil
		}, chain...)
	}
	return e
}

// oneSegment answers 404 where a parameter of the path is not exactly one
// segment. Echo takes none, and more at the end of a path, for a match.
func oneSegment(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		for _, value := range c.ParamValues() {
			if value == "" || strings.Contains(value, "/") {
				return echo.ErrNotFound
			}
		}
		return next(c)
	}
}

// echoError answers what handlers and middleware return as errors.
func echoError(auth *core.Auth, err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	var he *echo.HTTPError
	if !errors.As(err, &he) {
		auth.WriteError(c.Response(), c.Request(), err)
		return
	}
	if refusal, ok := he.Message.(*core.Error); ok {
		respond(c.Response(), refusal.Status, refusal)
		return
	}
	if he.Code == http.StatusNotFound {
		respondNotFound(c.Response())
		return
	}
	c.Response().WriteHeader(he.Code)
}
