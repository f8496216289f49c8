package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ostiary/ostiary/internal/password"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store"
)

// Auth is the engine. Make it once with [New]; it is safe for concurrent use.
type Auth struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	basePath string
	cookies  *cookieJar
	origins  *originPolicy
	hasher   *password.Hasher
	limiter  *ratelimit.Limiter
	db       *Database
	kv       *keyValues // nil without secondary storage
	sessions *Sessions

	routes     []*route
	byEndpoint map[EndpointDef]*route
	exact      map[string]*route // method + path
	patterned  []*route
	disabled   map[string]bool
	hooks      []hook
}

// New checks the whole configuration and makes the engine from it. Everything
// that is wrong is reported at once, as a [*ConfigError]. It neither connects
// nor migrates; see [Auth.Migrate].
func New(cfg Config) (*Auth, error) {
	if cfg.RateLimit.Now == nil {
		// An injected clock goes for the counts too; without one, a storage that
		// several processes share keeps time for all of them.
		cfg.RateLimit.Now = cfg.Now
	}
	cfg = cfg.withDefaults()
	var p problems
	cfg.check(&p)
	origin, basePath := cfg.baseURL(&p)
	a := &Auth{cfg: cfg, log: cfg.Logger, now: cfg.Now, basePath: basePath, disabled: map[string]bool{}}
	for _, path := range cfg.DisabledPaths {
		a.disabled[path] = true
	}
	a.cookies = newCookieJar(cfg.CookiePrefix, strings.HasPrefix(origin, "https://"), append([]string{cfg.Secret}, cfg.OldSecrets...))
	a.origins = newOriginPolicy(origin, cfg.TrustedOrigins, &p)

	plugins := registerPlugins(cfg.Plugins, &p)
	tables := append(coreTables(),
		store.Table{Name: TableUser, Fields: cfg.UserFields},
		store.Table{Name: TableSession, Fields: cfg.SessionFields})
	schema, err := store.NewSchema(cfg.Naming, append(tables, plugins.tables...)...)
	if err != nil {
		p = append(p, wrongSchema(err))
	}
	a.hooks = compileHooks(plugins.hooks, &p)
	a.routes, a.byEndpoint = compileRoutes(append(coreEndpoints(), plugins.endpoints...), &p)
	a.indexRoutes()

	a.hasher, err = password.New(password.Config{Params: cfg.EmailPassword.Argon2id.params(), Concurrency: cfg.EmailPassword.HashConcurrency})
	if err != nil {
		p.addf("EmailPassword: %w", err)
	}
	a.limiter, err = newLimiter(cfg, plugins.rules)
	if err != nil {
		p.addf("RateLimit: %w", err)
	}
	if len(p) > 0 {
		if a.limiter != nil {
			_ = a.limiter.Close()
		}
		return nil, &ConfigError{Problems: p}
	}

	a.db = &Database{store: cfg.Store, schema: schema, timeout: cfg.StoreTimeout, newID: func() (string, error) {
		return randomText(cfg.Rand, idLength)
	}}
	a.sessions = &Sessions{auth: a, home: &databaseSessions{a.db}}
	if cfg.Secondary != nil {
		a.kv = &keyValues{storage: cfg.Secondary, timeout: cfg.SecondaryTimeout}
		a.sessions.home = &secondarySessions{kv: a.kv, db: a.db, now: cfg.Now}
	}
	return a, nil
}

func (a *Auth) indexRoutes() {
	a.exact = map[string]*route{}
	for _, rt := range a.routes {
		if strings.Contains(rt.path, ":") {
			a.patterned = append(a.patterned, rt)
			continue
		}
		a.exact[rt.method+rt.path] = rt
	}
}

// Migrate adds to the database what the schema has and it lacks. Nothing is
// changed or dropped; any number of processes may call it at once.
func (a *Auth) Migrate(ctx context.Context) error {
	if err := a.cfg.Store.Migrate(ctx, a.db.schema); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Ready reports whether the store and the secondary storage answer. The error
// says which does not.
func (a *Auth) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.StoreTimeout)
	defer cancel()
	var errs []error
	if err := a.cfg.Store.Ping(ctx); err != nil {
		errs = append(errs, fmt.Errorf("store: %w", err))
	}
	if a.cfg.Secondary != nil {
		if err := a.cfg.Secondary.Ping(ctx); err != nil {
			errs = append(errs, fmt.Errorf("secondary storage: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Close stops what the engine runs in the background. Store and secondary
// storage, which the application handed in, stay open.
func (a *Auth) Close() error {
	return a.limiter.Close()
}

// BasePath is where the endpoints are mounted: "/api/auth". It has no slash
// at its end and is empty when they are at the root.
func (a *Auth) BasePath() string { return a.basePath }

// Routes are the endpoints, for adapters to register.
func (a *Auth) Routes() []Route {
	routes := make([]Route, len(a.routes))
	for i, rt := range a.routes {
		routes[i] = Route{Method: rt.method, Path: rt.path, auth: a, route: rt}
	}
	return routes
}

// Users gives access to users.
func (a *Auth) Users() *Users { return &Users{a} }

// Accounts gives access to the ways in which users sign in.
func (a *Auth) Accounts() *Accounts { return &Accounts{a} }

// Sessions gives access to sessions, wherever they live.
func (a *Auth) Sessions() *Sessions { return a.sessions }

// Verifications gives access to one-time values.
func (a *Auth) Verifications() *Verifications { return &Verifications{a} }

// Database gives access to all tables, plugins' among them.
func (a *Auth) Database() *Database { return a.db }

// PasswordStats says how busy password hashing is.
type PasswordStats struct {
	// Running and Waiting count hashes in progress and callers in the queue.
	Running, Waiting int
	// Total counts all hashes that have been computed.
	Total uint64
}

// PasswordStats returns figures on password hashing, for monitoring.
func (a *Auth) PasswordStats() PasswordStats {
	s := a.hasher.Stats()
	return PasswordStats{Running: s.Running, Waiting: s.Waiting, Total: s.Total}
}

// clientIP is the address that is kept with a session.
func (a *Auth) clientIP(r *http.Request) string { return a.cfg.RateLimit.ClientIP.Key(r) }
