package main

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ginauth"
)

func (a *app) gin(auths []*core.Auth) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	auth := auths[0]
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.UseRawPath = true
	r.NoRoute(func(c *gin.Context) { respondNotFound(c.Writer) })
	for _, auth := range auths {
		ginauth.Mount(r, auth)
	}
	r.Use(ginauth.Session(auth), ginErrors)
	guards := map[guard]gin.HandlerFunc{
		signedIn:          ginauth.RequireSession(auth),
		signedInLately:    ginauth.RequireFresh(auth),
		fromTrustedOrigin: ginauth.CheckOrigin(auth),
		limited:           ginauth.RateLimit(auth, limit),
	}
	for _, rt := range routes {
		var chain []gin.HandlerFunc
		for _, g := range rt.guards {
			chain = append(chain, guards[g])
		}
		r.Handle(rt.method, rt.path, append(chain, func(c *gin.Context) {
			out, err := rt.answer(func() (*core.Identity, error) { return ginauth.Identity(c) })
			if err != nil {
				auth.WriteError(c.Writer, c.Request, err)
				return
			}
			respond(c.Writer, http.StatusOK, out)
		})...)
	}
	return r
}

// ginErrors answers what middleware has refused.
func ginErrors(c *gin.Context) {
	c.Next()
	last := c.Errors.Last()
	var refusal *core.Error
	if last == nil || c.Writer.Written() || !errors.As(last, &refusal) {
		return
	}
	respond(c.Writer, refusal.Status, refusal)
}
