package main

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/conformance/internal/faults"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
)

// instance is one engine below a path of its own: "/limit" in front of
// AUTH_PATH. The main one has no path.
type instance struct {
	path string
	// change is what it has other than the base configuration.
	change func(*core.Config)
}

func instances(cfg config) []instance {
	asMain := func(c *core.Config) {
		c.RateLimit.Disabled = !cfg.rateLimit
		c.EmailPassword.RequireVerification = cfg.requireVerification
		c.DisabledPaths = cfg.disabledPaths
	}
	return []instance{
		{"", asMain},
		{"/verify", func(c *core.Config) {
			c.EmailPassword.RequireVerification = true
		}},
		{"/limit", func(c *core.Config) {
			c.RateLimit.Disabled = false
			c.RateLimit.Window, c.RateLimit.Max = time.Minute, 100
			c.RateLimit.Rules = []ratelimit.Rule{
				{Path: "/is-username-available", Window: 2 * time.Second, Max: 2},
				{Path: "/multi-session/*", Window: time.Minute, Max: 2},
				{Path: "/get-session", Disabled: true},
			}
		}},
		{"/short", func(c *core.Config) {
			c.Session = core.SessionConfig{ExpiresIn: 4 * time.Second, UpdateAge: time.Second, FreshAge: 2 * time.Second}
		}},
		{"/single", func(c *core.Config) {
			asMain(c)
			c.TrustedOrigins = append(slices.Clone(c.TrustedOrigins), "http://192.168.*.*")
			c.TrustedOriginsFor = func(r *http.Request) []string { return r.Header.Values("X-Test-Trusted-Origin") }
		}},
	}
}

// shared is what all instances stand on.
type shared struct {
	store     store.Store
	secondary secondary.Storage // nil without
	counts    *counts
	clock     *clock
	logger    *slog.Logger

	statements faults.Injector // of the store
	hookFault  hookFault
}

func (s *shared) newAuth(cfg config, i instance, hooks []core.DatabaseHook) (*core.Auth, error) {
	c := core.Config{
		Secret:         cfg.secrets[0],
		OldSecrets:     cfg.secrets[1:],
		BaseURL:        cfg.baseURL,
		BasePath:       i.path + "/" + strings.Trim(cfg.authPath, "/"),
		TrustedOrigins: []string{"http://app.example.test", "https://*.trusted.example.test", "myapp://cb"},
		Store:          s.store,
		Secondary:      s.secondary,
		Naming:         cfg.naming,
		DatabaseHooks:  hooks,
		UserFields: []*store.Field{
			{Name: "nickname", Type: store.String, Input: true, Returned: true},
			{Name: "tier", Type: store.String, Default: "free", Returned: true},
		},
		EmailPassword: core.EmailPassword{Enabled: true, MinLength: 8, MaxLength: 128},
		RateLimit: ratelimit.Config{
			Disabled: true,
			Storage:  s.counts.of(i.path),
			ClientIP: ratelimit.ClientIP{TrustedProxies: cfg.trustedProxies},
		},
		Logger: s.logger.With(slog.String("instance", "main"+i.path)),
		Now:    s.clock.Now,
	}
	i.change(&c)
	return core.New(c)
}
