package echoauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/echoauth"
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

	e := echo.New()
	echoauth.Mount(e, auth)
	e.Use(echoauth.Session(auth))

	e.GET("/", func(c echo.Context) error {
		if user := echoauth.User(c); user != nil {
			return c.String(http.StatusOK, "Hello "+user.Name)
		}
		return c.String(http.StatusOK, "Hello whoever you are")
	})

	send(e, "GET", "/", "", "")
	cookie := send(e, "POST", "/api/auth/sign-up/email", `{"name":"Ada","email":"ada@example.com","password":"correct horse"}`, "")
	send(e, "GET", "/", "", cookie)
	// Output:
	// GET / 200 Hello whoever you are
	// POST /api/auth/sign-up/email 200 and a cookie
	// GET / 200 Hello Ada
}

func ExampleMount() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	e := echo.New()
	echoauth.Mount(e, auth)
	// Routes of the application may lie beside the endpoints.
	e.GET("/api/auth/version", func(c echo.Context) error { return c.String(http.StatusOK, "1") })

	send(e, "GET", "/api/auth/ok", "", "")
	send(e, "GET", "/api/auth/version", "", "")
	// Output:
	// GET /api/auth/ok 200 {"ok":true}
	// GET /api/auth/version 200 1
}

// Endpoints that are mounted on a group run behind its middleware.
func ExampleMount_group() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	closed := func(echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return c.String(http.StatusServiceUnavailable, "Back at nine") }
	}
	e := echo.New()
	echoauth.Mount(e.Group(auth.BasePath(), closed), auth)

	send(e, "GET", "/api/auth/ok", "", "")
	// Output: GET /api/auth/ok 503 Back at nine
}

func ExampleRequireSession() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	e := echo.New()
	echoauth.Mount(e, auth)
	api := e.Group("/api", echoauth.RequireSession(auth))
	api.GET("/me", func(c echo.Context) error {
		return c.JSON(http.StatusOK, map[string]string{"name": echoauth.User(c).Name})
	})

	send(e, "GET", "/api/me", "", "")
	cookie := send(e, "POST", "/api/auth/sign-up/email", `{"name":"Ada","email":"ada@example.com","password":"correct horse"}`, "")
	send(e, "GET", "/api/me", "", cookie)
	// Output:
	// GET /api/me 401 {"code":"UNAUTHORIZED","message":"Unauthorized"}
	// POST /api/auth/sign-up/email 200 and a cookie
	// GET /api/me 200 {"name":"Ada"}
}

func ExampleRateLimit() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	e := echo.New()
	e.GET("/reports/:id", func(c echo.Context) error { return c.String(http.StatusOK, "report "+c.Param("id")) },
		echoauth.RateLimit(auth, ratelimit.PerMinute(2)))

	send(e, "GET", "/reports/1", "", "")
	send(e, "GET", "/reports/2", "", "")
	send(e, "GET", "/reports/3", "", "")
	// Output:
	// GET /reports/1 200 report 1
	// GET /reports/2 200 report 2
	// GET /reports/3 429 {"code":"TOO_MANY_REQUESTS","message":"Too many requests. Please try again later."}
}

// An application with error pages of its own renders refusals like every other
// error.
func Example_errorHandler() {
	auth := newAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if errors.Is(err, core.ErrUnauthorized) {
			_ = c.Redirect(http.StatusSeeOther, "/login")
			return
		}
		e.DefaultHTTPErrorHandler(err, c)
	}
	e.GET("/account", func(c echo.Context) error { return c.NoContent(http.StatusOK) }, echoauth.RequireSession(auth))

	send(e, "GET", "/account", "", "")
	// Output: GET /account 303
}
