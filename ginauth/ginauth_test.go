package ginauth_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ginauth"
	"github.com/ostiary/ostiary/internal/adaptertest"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/ratelimit"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	goleak.VerifyTestMain(m)
}

func TestAdapter(t *testing.T) {
	t.Parallel()
	adaptertest.Run(t, adaptertest.Adapter{
		Build: build,
		MountOnGroup: func(auth *core.Auth, prefix string) {
			ginauth.Mount(gin.New().Group(prefix), auth)
		},
	})
}

// build makes the application of the shared cases.
func build(app adaptertest.App) http.Handler {
	r := gin.New()
	// Gin would answer 301 for paths that differ by a slash at the end, and take
	// an encoded slash for one.
	r.RedirectTrailingSlash, r.UseRawPath = false, true
	r.NoRoute(func(c *gin.Context) { app.Auth.WriteError(c.Writer, c.Request, core.ErrNotFound) })
	r.Use(gin.RecoveryWithWriter(io.Discard))
	if app.OnGroup {
		r.Use(ginauth.Session(app.Auth))
		ginauth.Mount(r.Group(app.Auth.BasePath(), mark), app.Auth)
	} else {
		ginauth.Mount(r, app.Auth)
	}
	guards := map[adaptertest.Guard]gin.HandlerFunc{
		adaptertest.Session:        ginauth.Session(app.Auth),
		adaptertest.RequireSession: ginauth.RequireSession(app.Auth),
		adaptertest.RequireFresh:   ginauth.RequireFresh(app.Auth),
		adaptertest.CheckOrigin:    ginauth.CheckOrigin(app.Auth),
		adaptertest.RateLimit:      ginauth.RateLimit(app.Auth, adaptertest.Rule),
	}
	if app.OwnErrors {
		r.Use(ginauth.Session(app.Auth), errorPage)
	}
	for _, rt := range app.Routes {
		var chain []gin.HandlerFunc
		for _, g := range rt.Guards {
			chain = append(chain, guards[g])
		}
		r.Handle(rt.Method, rt.Path, append(chain, handler(rt))...)
	}
	return r
}

func mark(c *gin.Context) { c.Header("X-Group", "auth") }

// errorPage is the error middleware of an application.
func errorPage(c *gin.Context) {
	c.Next()
	if last := c.Errors.Last(); last != nil && !c.Writer.Written() {
		status, page := adaptertest.ErrorPage(core.AsError(last.Err))
		c.String(status, page)
	}
}

func handler(rt adaptertest.Route) gin.HandlerFunc {
	return func(c *gin.Context) {
		kept, _ := c.Get(ginauth.ContextKey)
		out, err := rt.Handle(adaptertest.Visit{
			Writer: c.Writer, Request: c.Request, Kept: kept,
			Identity:       func() (*core.Identity, error) { return ginauth.Identity(c) },
			User:           func() *core.User { return ginauth.User(c) },
			CurrentSession: func() *core.Session { return ginauth.CurrentSession(c) },
		})
		switch {
		case err != nil:
			_ = c.Error(err)
		case out != nil:
			c.JSON(http.StatusOK, out)
		}
	}
}

func hello(c *gin.Context) { c.String(http.StatusOK, "hello") }

// app is an application with one handler behind the optional session.
type app struct {
	*adaptertest.Engine
	router *gin.Engine
}

func newApp(t *testing.T, handlers ...gin.HandlerFunc) *app {
	a := &app{Engine: adaptertest.NewEngine(t), router: gin.New()}
	a.router.Use(gin.RecoveryWithWriter(io.Discard), ginauth.Session(a.Auth))
	a.router.GET("/", handlers...)
	a.router.POST("/", handlers...)
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

func TestErrorMiddlewareGetsNothingThatClientsMayNotRead(t *testing.T) {
	t.Parallel()
	for name, guard := range map[string]func(*core.Auth) gin.HandlerFunc{
		"a guard refuses":     ginauth.RequireSession,
		"the handler's panic": ginauth.Session,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			var shown []string
			show := func(c *gin.Context) {
				c.Next()
				shown = c.Errors.ByType(gin.ErrorTypePublic).Errors()
			}
			a.router.GET("/me", show, guard(a.Auth), func(c *gin.Context) { c.JSON(http.StatusOK, ginauth.User(c)) })
			visitor := a.SignedIn(a)
			a.StoreDown(true)
			visitor.Get("/me").WantCode(503, "SERVICE_UNAVAILABLE")
			if !slices.Equal(shown, []string{core.ErrUnavailable.Message}) {
				t.Errorf("shown %q", shown)
			}
		})
	}
}

func TestAnswersOfTheApplicationStay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		handlers []gin.HandlerFunc
		status   int
		body     string
	}{
		{"a body", []gin.HandlerFunc{func(c *gin.Context) {
			_ = c.Error(core.ErrUnauthorized)
			c.String(http.StatusAccepted, "later")
		}}, 202, "later"},
		{"a status", []gin.HandlerFunc{func(c *gin.Context) {
			_ = c.Error(core.ErrUnauthorized)
			c.Status(http.StatusNoContent)
		}}, 204, ""},
		{"an error of its own", []gin.HandlerFunc{func(c *gin.Context) {
			_ = c.Error(errors.New("disk full"))
		}}, 200, ""},
		{"a redirect of error middleware", []gin.HandlerFunc{func(c *gin.Context) {
			c.Next()
			if errors.Is(c.Errors.Last(), core.ErrUnauthorized) {
				c.Redirect(http.StatusSeeOther, "/login")
			}
		}, requireSession, hello}, 303, ""},
		{"a panic after an error of the engine", []gin.HandlerFunc{func(c *gin.Context) {
			_ = c.Error(core.ErrUnauthorized)
			panic("broken")
		}}, 500, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, c.handlers...)
			if res := browser.New(t, a).Post("/", nil).Want(c.status); res.Body != c.body {
				t.Errorf("body %q", res.Body)
			}
		})
	}
}

// requireSession is RequireSession of the engine whose Session runs.
func requireSession(c *gin.Context) {
	ginauth.RequireSession(core.RequestFrom(c.Request.Context()).Auth())(c)
}

func TestARefusalIsAnsweredWhateverElseGoesWrong(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *gin.Context) {
		c.Next()
		_ = c.Error(errors.New("log is full"))
	}, requireSession, hello)
	browser.New(t, a).Get("/").WantCode(401, "UNAUTHORIZED")
}

// compressor stands for middleware that wraps the writer and, once it has
// returned, hands what it wrote through to another request.
type compressor struct {
	gin.ResponseWriter
	done bool
}

func (w *compressor) Write(p []byte) (int, error) {
	if w.done {
		panic("written to after its time")
	}
	return w.ResponseWriter.Write(p)
}

func TestRefusalsBypassWritersThatAreDone(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *gin.Context) {
		w := &compressor{ResponseWriter: c.Writer}
		c.Header("Content-Encoding", "gzip")
		c.Header("Content-Length", "0")
		c.Writer = w
		c.Next()
		w.done = true
	}, requireSession, hello)
	res := browser.New(t, a).Get("/").WantCode(401, "UNAUTHORIZED")
	if res.Header.Get("Content-Encoding") != "" || res.Header.Get("Content-Length") != "" {
		t.Errorf("header %v", res.Header)
	}
	if res := a.SignedIn(a).Get("/").Want(200); res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("header %v", res.Header)
	}
}

func TestPanicsOfTheApplicationPass(t *testing.T) {
	t.Parallel()
	for _, want := range []any{"a text", errors.New("an error"), http.ErrAbortHandler} {
		var got any
		r := gin.New()
		r.Use(func(c *gin.Context) {
			defer func() { got = recover() }()
			c.Next()
		}, ginauth.Session(adaptertest.NewEngine(t).Auth))
		r.GET("/", func(*gin.Context) { panic(want) })
		browser.New(t, r).Get("/")
		if got != want {
			t.Errorf("panic %v, want %v", got, want)
		}
	}
}

func TestAWholeEngineCanRequireASession(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.router.Use(ginauth.RequireSession(a.Auth))
	a.router.GET("/page", hello)
	a.router.GET("/old", func(c *gin.Context) {
		c.Request.URL.Path = "/page"
		a.router.HandleContext(c)
	})
	nobody, somebody := browser.New(t, a), a.SignedIn(a)
	for path, status := range map[string]int{"/page": 200, "/old": 200, "/nowhere": 404} {
		nobody.Get(path).WantCode(401, "UNAUTHORIZED")
		somebody.Get(path).Want(status)
	}
}

func TestCORSBelongsOnTheEngine(t *testing.T) {
	t.Parallel()
	auth := adaptertest.NewEngine(t).Auth
	cors := func(c *gin.Context) {
		if c.Request.Method == http.MethodOptions {
			c.AbortWithStatus(http.StatusNoContent)
		}
	}
	onEngine, onGroup := gin.New(), gin.New()
	onEngine.Use(cors)
	ginauth.Mount(onEngine, auth)
	ginauth.Mount(onGroup.Group(auth.BasePath(), cors), auth)
	browser.New(t, onEngine).Do(http.MethodOptions, "/api/auth/sign-in/email", "", nil).Want(204)
	browser.New(t, onGroup).Do(http.MethodOptions, "/api/auth/sign-in/email", "", nil).Want(404)
}

func TestRequestsAttachedOutsideOfGinAreKeptInItsContext(t *testing.T) {
	t.Parallel()
	var kept any
	a := newApp(t, requireSession, func(c *gin.Context) {
		kept, _ = c.Get(ginauth.ContextKey)
		c.String(http.StatusOK, ginauth.User(c).Email)
	})
	var attached *core.Request
	outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = a.Auth.Attach(w, r)
		attached = core.RequestFrom(r.Context())
		a.ServeHTTP(w, r)
	})
	if got := a.SignedIn(outer).Get("/").Want(200).Body; got != "a@b.com" || kept != attached {
		t.Errorf("body %q, kept %v, want %v", got, kept, attached)
	}
	browser.New(t, outer).Get("/").WantCode(401, "UNAUTHORIZED")
}

func TestEachEngineAnswersForItself(t *testing.T) {
	t.Parallel()
	a := newApp(t, hello)
	other := adaptertest.NewEngine(t, func(c *core.Config) { c.CookiePrefix = "other" })
	a.router.GET("/other", ginauth.RequireSession(other.Auth), hello)
	a.router.GET("/last", ginauth.Session(other.Auth), ginauth.RequireSession(a.Auth), func(c *gin.Context) {
		c.String(http.StatusOK, ginauth.User(c).Email)
	})
	a.router.GET("/both", ginauth.RequireSession(a.Auth), ginauth.RequireSession(other.Auth), hello)
	visitor := a.SignedIn(a)
	visitor.Get("/").Want(200)
	visitor.Get("/other").WantCode(401, "UNAUTHORIZED")
	visitor.Get("/both").WantCode(401, "UNAUTHORIZED")
	visitor.Get("/last").Want(200)
	visitor.SetCookie("other.session_token", other.SignedIn(a).Cookie("other.session_token"))
	visitor.Get("/other").Want(200)
	visitor.Get("/both").Want(200)
}

func TestCopiesOfTheContextCanAsk(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(c *gin.Context) {
		background := c.Copy()
		answer := make(chan error)
		go func() {
			_, err := ginauth.Identity(background)
			answer <- err
		}()
		if err := <-answer; err != nil {
			_ = c.Error(err)
			return
		}
		hello(c)
	})
	visitor := a.SignedIn(a)
	visitor.Get("/").Want(200)
	a.StoreDown(true)
	visitor.Get("/").WantCode(503, "SERVICE_UNAVAILABLE")
}

func TestRateLimitAsksTheRuleWhoIsCounted(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	limit := ginauth.RateLimit(a.Auth, ratelimit.Rule{
		Window: time.Minute, Max: 1,
		By: func(r *http.Request) string {
			user, err := core.CurrentUser(r.Context())
			if err != nil || user == nil {
				return ""
			}
			return user.ID
		},
	})
	a.router.GET("/limited", limit, hello)
	for _, visitor := range []*browser.Browser{browser.New(t, a), a.SignedIn(a)} {
		visitor.Get("/limited").Want(200)
		visitor.Get("/limited").WantCode(429, "TOO_MANY_REQUESTS")
	}

	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "ginauth: ratelimit.Rule.Max: -1") {
			t.Errorf("panic %q", p)
		}
	}()
	ginauth.RateLimit(a.Auth, ratelimit.PerMinute(-1))
}
