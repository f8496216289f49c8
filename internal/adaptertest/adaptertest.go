// Package adaptertest is the one table of cases that every adapter passes:
// the same application, built on each framework with the adapter's middleware,
// must answer alike.
//
// An adapter's test says how to build it and calls [Run]:
//
//	func TestAdapter(t *testing.T) {
//		adaptertest.Run(t, adaptertest.Adapter{Build: build, MountOnGroup: mountOnGroup})
//	}
//
// What "alike" is compared with is [NetHTTP], the application on net/http and
// the methods of the engine alone. Only tests import this package.
package adaptertest

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ratelimit"
)

// Adapter is an adapter under test.
type Adapter struct {
	// Build makes the application on the adapter's framework.
	Build func(App) http.Handler
	// MountOnGroup mounts the engine on a group with the prefix, and panics
	// where that is not possible. Nil where there are no groups.
	MountOnGroup func(auth *core.Auth, prefix string)
}

// App is the application to build:
//
//   - panics are recovered, before anything else, and answered 500;
//   - what is no route is answered with [core.ErrNotFound] as the engine writes it;
//   - the engine is mounted, see OnGroup;
//   - the routes are served, each behind its guards.
type App struct {
	Auth   *core.Auth
	Routes []Route
	// OnGroup mounts the engine on a group whose middleware sets the header
	// X-Group: auth, and puts the optional session in front of the whole
	// application; otherwise it is only where guards ask for it.
	OnGroup bool
	// OwnErrors has errors answered by the application, with [ErrorPage]
	// through the framework's own error path. Otherwise the framework's default
	// does.
	OwnErrors bool
}

// Guard is middleware of the adapters.
type Guard int

// The guards.
const (
	Session Guard = iota
	RequireSession
	RequireFresh
	CheckOrigin
	RateLimit
)

// Rule is what the guard [RateLimit] limits by.
var Rule = ratelimit.Rule{Window: 10 * time.Second, Max: 3}

// Route is a route of the application. Path may hold ":id" at its end.
type Route struct {
	Method, Path string
	Guards       []Guard
	// Handle answers: 200 and the value as JSON, or the error in the framework's
	// way. Where both are nil it has written the answer itself.
	Handle func(Visit) (any, error)
}

// Visit is a request to a route, as the adapter's accessors show it.
type Visit struct {
	Writer  http.ResponseWriter
	Request *http.Request
	// Kept is what the framework's context holds under the adapter's ContextKey.
	Kept any

	Identity       func() (*core.Identity, error)
	User           func() *core.User
	CurrentSession func() *core.Session
}

// ErrorPage is how an application with pages of its own answers an error. It
// goes by nothing but the error that the framework hands it.
func ErrorPage(err error) (status int, page string) {
	for _, c := range []struct {
		target *core.Error
		page   string
	}{
		{core.ErrUnauthorized, "Please sign in"},
		{core.ErrSessionNotFresh, "Please confirm your password"},
		{core.ErrInvalidOrigin, "That came from another site"},
		{core.ErrTooManyRequests, "Slow down"},
		{core.ErrUnavailable, "We are having trouble"},
	} {
		if errors.Is(err, c.target) {
			return c.target.Status, c.page
		}
	}
	return http.StatusTeapot, "Unknown"
}

// layouts are the two ways to put an application together; every case runs on
// both.
var layouts = map[string]func(*App){
	"on the engine": func(*App) {},
	"on a group":    func(a *App) { a.OnGroup = true },
}

// Run tests an adapter.
func Run(t *testing.T, adapter Adapter) {
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("answers as net/http does", func(t *testing.T) {
				t.Parallel()
				compare(t, adapter, layout)
			})
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.test(t, &bench{build: adapter.Build, layout: layout})
				})
			}
		})
	}
	if adapter.MountOnGroup != nil {
		t.Run("mounts only where the engine expects it", func(t *testing.T) {
			t.Parallel()
			mountElsewhere(t, adapter)
		})
	}
}
