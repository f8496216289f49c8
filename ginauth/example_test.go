package ginauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ginauth"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store/memory"
)

// newAuth makes the engine of the examples. An application takes the secret
// from its environment and a database for the store.
func newAuth() *core.Auth {
	auth, err := core.New(core.Config{
		Secret:        "an-example-of-32-bytes-or-more-0123456789",
		BaseURL:       "http://localhost:8080",
		Store:         memory.New(),
		EmailPassword: core.EmailPassword{Enabled: true},
	})
	if err != nil {
		panic(err)
	}
	if err := auth.Migrate(context.Background()); err != nil {
		panic(err)
	}
	return auth
}

// send sends a request to an application and returns the cookie of the answer,
// which it prints.
func send(application http.Handler, method, path, body, cookie string) string {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "http://localhost:8080")
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	application.ServeHTTP(w, r)
	cookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
	if cookie == "" {
		fmt.Println(method, path, w.Code, strings.TrimSpace(w.Body.String()))
	} else {
		fmt.Println(method, path, w.Code, "and a cookie")
	}
	return cookie
}

func Example() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	r := gin.New()
	ginauth.Mount(r, auth)
	r.Use(ginauth.Session(auth))

	r.GET("/", func(c *gin.Context) {
		if user := ginauth.User(c); user != nil {
			c.String(http.StatusOK, "Hello "+user.Name)
			return
		}
		c.String(http.StatusOK, "Hello whoever you are")
	})

	send(r, "GET", "/", "", "")
	cookie := send(r, "POST", "/api/auth/sign-up/email", `{"name":"Ada","email":"ada@example.com","password":"correct horse"}`, "")
	send(r, "GET", "/", "", cookie)
	// Output:
	// GET / 200 Hello whoever you are
	// POST /api/auth/sign-up/email 200 and a cookie
	// GET / 200 Hello Ada
}

func ExampleMount() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	r := gin.New()
	ginauth.Mount(r, auth)
	// Routes of the application may lie beside the endpoints.
	r.GET("/api/auth/version", func(c *gin.Context) { c.String(http.StatusOK, "1") })

	send(r, "GET", "/api/auth/ok", "", "")
	send(r, "GET", "/api/auth/version", "", "")
	// Output:
	// GET /api/auth/ok 200 {"ok":true}
	// GET /api/auth/version 200 1
}

// Endpoints that are mounted on a group run behind its middleware.
func ExampleMount_group() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	closed := func(c *gin.Context) {
		c.String(http.StatusServiceUnavailable, "Back at nine")
		c.Abort()
	}
	r := gin.New()
	ginauth.Mount(r.Group(auth.BasePath(), closed), auth)

	send(r, "GET", "/api/auth/ok", "", "")
	// Output: GET /api/auth/ok 503 Back at nine
}

func ExampleRequireSession() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	r := gin.New()
	ginauth.Mount(r, auth)
	api := r.Group("/api", ginauth.RequireSession(auth))
	api.GET("/me", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"name": ginauth.User(c).Name})
	})

	send(r, "GET", "/api/me", "", "")
	cookie := send(r, "POST", "/api/auth/sign-up/email", `{"name":"Ada","email":"ada@example.com","password":"correct horse"}`, "")
	send(r, "GET", "/api/me", "", cookie)
	// Output:
	// GET /api/me 401 {"code":"UNAUTHORIZED","message":"Unauthorized"}
	// POST /api/auth/sign-up/email 200 and a cookie
	// GET /api/me 200 {"name":"Ada"}
}

func ExampleRateLimit() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	r := gin.New()
	r.GET("/reports/:id", ginauth.RateLimit(auth, ratelimit.PerMinute(2)),
		func(c *gin.Context) { c.String(http.StatusOK, "report "+c.Param("id")) })

	send(r, "GET", "/reports/1", "", "")
	send(r, "GET", "/reports/2", "", "")
	send(r, "GET", "/reports/3", "", "")
	// Output:
	// GET /reports/1 200 report 1
	// GET /reports/2 200 report 2
	// GET /reports/3 429 {"code":"TOO_MANY_REQUESTS","message":"Too many requests. Please try again later."}
}

// An application with error pages of its own renders refusals in middleware
// behind Session.
func Example_errorMiddleware() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	r := gin.New()
	r.Use(ginauth.Session(auth), func(c *gin.Context) {
		c.Next()
		if last := c.Errors.Last(); last != nil && errors.Is(last, core.ErrUnauthorized) {
			c.Redirect(http.StatusSeeOther, "/login")
		}
	})
	r.POST("/account", ginauth.RequireSession(auth), func(c *gin.Context) { c.Status(http.StatusOK) })

	send(r, "POST", "/account", "", "")
	// Output: POST /account 303
}
