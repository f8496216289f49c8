// Command echo is an application with sign-up, sign-in, sessions and rate
// limits, on Echo:
//
//	go run ./examples/echo
//
// It needs nothing installed: users are kept in the SQLite file
// ostiary-example.db in the working directory, sessions in memory. The
// environment changes that:
//
//	DATABASE_URL  postgres://…, or sqlite: and the name of a file
//	REDIS_URL     redis://…, keeps sessions and the counts of rate limits
//	AUTH_SECRET   signs cookies; `openssl rand -base64 32` makes one
//	PORT          8080 unless set
//	BASE_URL      where browsers find it, http://localhost:$PORT unless set
//
// The example beside it is the same application on Gin.
package main

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/echoauth"
	"github.com/ostiary/ostiary/examples/internal/page"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	redisstorage "github.com/ostiary/ostiary/secondary/redis"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C waits for nothing
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	store, err := bunstore.Open(cmp.Or(os.Getenv("DATABASE_URL"), "sqlite:ostiary-example.db"))
	if err != nil {
		return err
	}
	defer store.Close()
	sessions, err := openSessions(os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	defer sessions.Close()

	secret := os.Getenv("AUTH_SECRET")
	if secret == "" {
		secret = cryptorand.Text() + cryptorand.Text()
		slog.Warn("AUTH_SECRET is not set: everybody is signed out when this program ends")
	}
	port := cmp.Or(os.Getenv("PORT"), "8080")
	baseURL := cmp.Or(os.Getenv("BASE_URL"), "http://localhost:"+port)
	auth, err := core.New(core.Config{
		Secret:        secret,
		BaseURL:       baseURL,
		Store:         store,
		Secondary:     sessions,
		EmailPassword: core.EmailPassword{Enabled: true},
		RateLimit: ratelimit.Config{
			Window: time.Minute, Max: 100, // for each client and route
			Rules: []ratelimit.Rule{
				{Path: "/sign-in/email", Window: time.Minute, Max: 5},
			},
		},
	})
	if err != nil {
		return err
	}
	defer auth.Close(context.Background())
	if err := auth.Migrate(ctx); err != nil {
		return err
	}
	return serve(ctx, port, baseURL, newRouter(auth))
}

func newRouter(auth *core.Auth) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover())
	echoauth.Mount(e, auth)       // every endpoint is an Echo route
	e.Use(echoauth.Session(auth)) // reads nothing until somebody asks

	e.GET("/", echo.WrapHandler(page.Handler())) // your front end
	e.GET("/assets/*", echo.WrapHandler(page.Handler()))
	e.GET("/api/hello", hello)

	api := e.Group("/api", echoauth.CheckOrigin(auth), echoauth.RequireSession(auth))
	api.GET("/me", func(c echo.Context) error {
		return c.JSON(http.StatusOK, echoauth.User(c))
	})
	api.GET("/export", export, echoauth.RequireFresh(auth))
	api.POST("/dice", rollDice, echoauth.RateLimit(auth, ratelimit.PerMinute(5)))
	return e
}

// hello is for everybody: the user is nil when nobody is signed in.
func hello(c echo.Context) error {
	name := "stranger"
	if user := echoauth.User(c); user != nil {
		name = user.Name
	}
	return c.JSON(http.StatusOK, echo.Map{"message": "Hello, " + name})
}

// export asks the engine from Go for what its endpoints answer as well.
func export(c echo.Context) error {
	ctx, user := c.Request().Context(), echoauth.User(c)
	sessions, err := core.RequestFrom(ctx).Auth().Sessions().List(ctx, user.ID)
	if err != nil {
		return err // answered 503 when the storage does not answer
	}
	return c.JSON(http.StatusOK, echo.Map{"user": user, "sessions": sessions})
}

func rollDice(c echo.Context) error {
	return c.JSON(http.StatusOK, echo.Map{"dice": 1 + rand.IntN(6)}) //nolint:gosec // nothing hangs on it
}

// serve answers requests until ctx ends, and then those it has begun with.
func serve(ctx context.Context, port, baseURL string, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	defer server.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", ":"+port)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Println("Open", baseURL)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

func openSessions(redisURL string) (secondary.Storage, error) {
	if redisURL == "" {
		return secondary.NewMemory(secondary.MemoryOptions{}), nil
	}
	return redisstorage.Open(redisURL)
}
