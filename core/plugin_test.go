package core_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store"
)

// notes is a plugin with one thing of every kind: a table that refers to
// users, a field on users, endpoints, hooks and a limit.
type notes struct {
	create *core.Endpoint[noteInput, *note]
	read   *core.Endpoint[noteQuery, *note]
	hook   core.Hook
	seen   chan string
}

type noteInput struct {
	Text string `json:"text" check:"nonempty"`
}

type noteQuery struct {
	ID string `json:"id" in:"path"`
}

type note struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

func newNotes() *notes {
	n := &notes{seen: make(chan string, 100)}
	n.create = &core.Endpoint[noteInput, *note]{
		Method: http.MethodPost, Path: "/notes/create", Guard: core.NeedsSession,
		Do: func(ctx context.Context, r *core.Request, in noteInput) (*note, error) {
			id, err := r.Auth().Authenticate(ctx)
			if err != nil {
				return nil, err
			}
			row, err := r.Auth().Database().Create(ctx, "note", store.Record{"text": in.Text, "userId": id.User.ID})
			if err != nil {
				return nil, err
			}
			return &note{row.String("id"), row.String("text")}, nil
		},
	}
	n.read = &core.Endpoint[noteQuery, *note]{
		Method: http.MethodGet, Path: "/notes/:id",
		Do: func(ctx context.Context, r *core.Request, in noteQuery) (*note, error) {
			row, err := r.Auth().Database().FindOne(ctx, "note", store.Query{Where: store.Eq("id", in.ID)})
			if errors.Is(err, store.ErrNotFound) {
				return nil, core.ErrNotFound
			}
			if err != nil {
				return nil, err
			}
			return &note{row.String("id"), row.String("text")}, nil
		},
	}
	return n
}

func (*notes) Name() string { return "notes" }

func (n *notes) Register(r *core.Registry) error {
	r.Tables(
		store.Table{Name: "note", Fields: []*store.Field{
			{Name: "text", Type: store.String, Required: true},
			{Name: "userId", Type: store.String, Required: true, References: &store.Reference{Table: "user"}},
		}},
		store.Table{Name: "user", Fields: []*store.Field{
			{Name: "color", Type: store.String, Input: true, Returned: true, Default: "blue"},
		}},
	)
	r.Endpoints(n.create, n.read)
	r.Limits(ratelimit.Rule{Path: "/notes/create", Window: time.Minute, Max: 2})
	if n.hook.Path != "" {
		r.Hooks(n.hook)
	}
	return nil
}

func withPlugins(plugins ...core.Plugin) func(*core.Config) {
	return func(c *core.Config) { c.Plugins = plugins }
}

func TestAPluginAddsTablesFieldsEndpointsAndLimits(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, home func(*core.Config)) {
		n := newNotes()
		a := newApp(t, withPlugins(n), home, func(c *core.Config) { c.RateLimit = ratelimit.Config{} })
		b := a.signUp(t, "a@b.com")
		if got := b.Get("/api/auth/get-session").Text("user", "color"); got != "blue" {
			t.Errorf("color %q", got)
		}
		id := b.Post("/api/auth/notes/create", m{"text": "hello"}).Want(200).Text("id")
		if got := b.Get("/api/auth/notes/" + id).Want(200).Text("text"); got != "hello" {
			t.Errorf("text %q", got)
		}
		b.Get("/api/auth/notes/nope").WantCode(404, "NOT_FOUND")
		b.Post("/api/auth/notes/create", m{"text": ""}).WantCode(400, "VALIDATION_ERROR")
		b.Post("/api/auth/notes/create", m{"text": "x"}).WantCode(429, "TOO_MANY_REQUESTS")
		a.browser(t).Get("/api/auth/notes/" + id + "/more").Want(404)

		// The user goes, and what refers to it.
		if err := a.Users().Delete(t.Context(), b.Get("/api/auth/get-session").Text("user", "id")); err != nil {
			t.Fatal(err)
		}
		if n, err := a.Database().Count(t.Context(), "note", store.Where{}); err != nil || n != 0 {
			t.Errorf("%d notes are left (%v)", n, err)
		}
	})
}

func TestGuardsOfPluginEndpoints(t *testing.T) {
	t.Parallel()
	a := newApp(t, withPlugins(newNotes()))
	a.browser(t).Post("/api/auth/notes/create", m{"text": "x"}).WantCode(401, "UNAUTHORIZED")
}

func TestHooksRunAroundEndpoints(t *testing.T) {
	t.Parallel()
	n := newNotes()
	n.hook = core.Hook{
		Path: "/notes/**",
		Before: func(_ context.Context, r *core.Request) error {
			if r.Body()["text"] == "forbidden" {
				return &core.Error{Status: 403, Code: "NOT_THAT", Message: "Not that"}
			}
			if text, ok := r.Body()["text"].(string); ok {
				r.Body()["text"] = strings.ToUpper(text)
			}
			return nil
		},
		After: func(_ context.Context, r *core.Request, out any, err error) (any, error) {
			n.seen <- r.Path()
			if got, ok := out.(*note); ok && got != nil {
				return &note{got.ID, got.Text + "!"}, nil
			}
			return out, err
		},
	}
	a := newApp(t, withPlugins(n))
	b := a.signUp(t, "a@b.com")
	if got := b.Post("/api/auth/notes/create", m{"text": "hello"}).Want(200).Text("text"); got != "HELLO!" {
		t.Errorf("text %q", got)
	}
	b.Post("/api/auth/notes/create", m{"text": "forbidden"}).WantCode(403, "NOT_THAT")
	if path := <-n.seen; path != "/notes/create" || len(n.seen) != 0 {
		t.Errorf("after hook saw %q and %d more", path, len(n.seen))
	}
}

func TestAFailingHookLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]core.Hook{
		"before fails":  {Before: func(context.Context, *core.Request) error { return errors.New("broken") }},
		"before panics": {Before: func(context.Context, *core.Request) error { panic("broken") }},
		"after fails": {After: func(context.Context, *core.Request, any, error) (any, error) {
			return nil, errors.New("broken")
		}},
		"after panics": {After: func(context.Context, *core.Request, any, error) (any, error) { panic("broken") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNotes()
			hook.Path = "/sign-in/*"
			n.hook = hook
			a := newApp(t, withPlugins(n))
			owner := a.signUp(t, "a@b.com")
			owner.Post("/api/auth/revoke-sessions", m{}).Want(200)
			b := a.browser(t)
			res := b.Post("/api/auth/sign-in/email", m{"email": "a@b.com", "password": "password789"})
			res.WantCode(500, "INTERNAL_SERVER_ERROR")
			if len(res.SetCookies()) > 0 || strings.Contains(res.Body, "broken") || strings.Contains(res.Body, "goroutine") {
				t.Errorf("cookies %q, body %s", res.SetCookies(), res.Body)
			}
			if n, err := a.Database().Count(t.Context(), core.TableSession, store.Where{}); err != nil || n != 0 {
				t.Errorf("%d sessions are left (%v)", n, err)
			}
		})
	}
}

// badPlugin clashes with the core wherever it can.
type badPlugin struct{}

func (badPlugin) Name() string { return "bad" }

func (badPlugin) Register(r *core.Registry) error {
	r.Tables(store.Table{Name: "user", Fields: []*store.Field{{Name: "email", Type: store.String}}})
	r.Endpoints(&core.Endpoint[core.Nothing, core.Status]{
		Method: "GET", Path: "/ok",
		Do: func(context.Context, *core.Request, core.Nothing) (core.Status, error) { return core.Status{}, nil },
	}, &core.Endpoint[core.Nothing, core.Status]{Method: "BREW", Path: "coffee"})
	r.Hooks(core.Hook{Path: "no-slash"})
	r.Limits(ratelimit.Rule{Path: "/x", Window: -1})
	return nil
}

func TestConfigurationIsReportedWhole(t *testing.T) {
	t.Parallel()
	_, err := core.New(core.Config{
		Secret: "short", OldSecrets: []string{""}, BaseURL: "ftp://x", TrustedOrigins: []string{"*", "https://a/b"},
		CookiePrefix: "a b", DisabledPaths: []string{"sign-up"},
		Session:       core.SessionConfig{ExpiresIn: -1, UpdateAge: 1},
		EmailPassword: core.EmailPassword{MinLength: 9, MaxLength: 8, Argon2id: core.Argon2id{Memory: 1024, Time: 1, Threads: 1}},
		UserFields:    []*store.Field{{Name: "x"}, nil},
		RateLimit:     ratelimit.Config{Max: -1},
		Plugins:       []core.Plugin{badPlugin{}, nil, badPlugin{}},
	})
	var problems *core.ConfigError
	if !errors.As(err, &problems) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		"Secret: is 5 bytes long", "OldSecrets[0]: is empty", "BaseURL: \"ftp://x\"", "TrustedOrigins[0]", "TrustedOrigins[1]",
		"Store: is nil", "CookiePrefix", "DisabledPaths[0]", "Session.ExpiresIn", "EmailPassword: MinLength 9",
		`field "x" has no type`, "a field is nil", `field "email" is declared twice`, "endpoint GET /ok: GET /ok exists already",
		"the method must be GET or POST", "Do is nil", `hook on "no-slash"`, "Max: -1", "Rules[0].Window",
		"Plugins[1]: is nil", `Plugins[2]: the name "bad" is empty or taken`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if strings.Contains(err.Error(), "short") && strings.Contains(err.Error(), "Secret: \"short\"") {
		t.Error("the secret is in the error")
	}
	if t.Failed() {
		t.Log(err)
	}
}
