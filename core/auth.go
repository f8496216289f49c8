package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
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

	outages outages
	upkeep  *upkeep // nil where it is disabled
}

// New checks the whole configuration and makes the engine from it. Everything
// that is wrong is reported at once, as a [*ConfigError]. It neither connects
// nor migrates; see [Auth.Migrate]. It starts the upkeep, see [Upkeep], which
// [Auth.Close] ends.
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
	a.origins = newOriginPolicy(origin, cfg.TrustedOrigins, cfg.TrustedOriginsFor, &p)

	plugins := registerPlugins(cfg.Plugins, &p)
	schema, err := store.NewSchema(cfg.Naming, cfg.IDs, slices.Concat(coreTables(), cfg.additionalFields(), plugins.tables)...)
	if err != nil {
		p = append(p, wrongSchema(err))
	}
	a.db = &Database{store: cfg.Store, schema: schema, timeout: cfg.StoreTimeout, random: cfg.Rand, log: cfg.Logger}
	a.sessions = &Sessions{auth: a, home: &databaseSessions{a.db}}
	var own []DatabaseHook
	if cfg.Secondary != nil {
		a.kv = &keyValues{storage: cfg.Secondary, timeout: cfg.SecondaryTimeout}
		home := &secondarySessions{kv: a.kv, db: a.db, now: cfg.Now}
		a.sessions.home = home
		own = append(own, home.followUsers())
	}
	if schema != nil {
		checkBodyMembers(schema.Table(TableUser), &p)
		checkRowHooks(schema, cfg.DatabaseHooks, &p)
		a.db.hooks = compileRowHooks(schema, slices.Concat(own, plugins.rowHooks, cfg.DatabaseHooks))
	}
	a.hooks = compileHooks(plugins.hooks, &p)
	a.routes, a.byEndpoint = compileRoutes(append(coreEndpoints(), plugins.endpoints...), &p)
	a.indexRoutes()
	a.checkDisabled(&p)

	a.hasher, err = password.New(password.Config{Params: cfg.EmailPassword.Argon2id.params(), Concurrency: cfg.EmailPassword.HashConcurrency, Rand: cfg.Rand})
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

	if !a.cookies.secure && !isLoopback(origin) {
		a.log.Warn("BaseURL is plain http: cookies are sent in the clear", slog.String("BaseURL", cfg.BaseURL))
	}
	if !cfg.Upkeep.Disabled {
		a.upkeep = a.startUpkeep(cfg.Upkeep.Interval)
	}
	return a, nil
}

// checkDisabled reports disabled paths that do not exist: a misspelled one
// would disable nothing.
func (a *Auth) checkDisabled(p *problems) {
	for i, path := range a.cfg.DisabledPaths {
		if !slices.ContainsFunc(a.routes, func(rt *route) bool { return rt.path == path }) {
			p.addf("DisabledPaths[%d]: there is no endpoint %q", i, path)
		}
	}
}

// isLoopback reports whether an origin is on this machine only.
func isLoopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost") || err == nil && addr.IsLoopback()
}

// Migrate adds to the database what the schema has and it lacks. Nothing is
// changed or dropped; any number of processes may call it at once.
func (a *Auth) Migrate(ctx context.Context) error {
	if err := a.cfg.Store.Migrate(ctx, a.db.schema); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Plan returns what [Auth.Migrate] would do, and does none of it. A store that
// cannot tell is [store.ErrInvalid].
func (a *Auth) Plan(ctx context.Context) (*store.Plan, error) {
	planner, ok := a.cfg.Store.(store.Planner)
	if !ok {
		return nil, fmt.Errorf("plan: %w: a %T cannot tell what a migration would do", store.ErrInvalid, a.cfg.Store)
	}
	p, err := planner.Plan(ctx, a.db.schema)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return p, nil
}

// Schema is the merged description of all tables: the engine's own, additional
// fields and those of plugins, with their names in the database.
func (a *Auth) Schema() *store.Schema { return a.db.schema }

// Ready reports whether the store and the secondary storage answer. The error
// says which does not.
func (a *Auth) Ready(ctx context.Context) error {
	ping := func(name string, timeout time.Duration, ping func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if err := ping(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	err := ping("store", a.cfg.StoreTimeout, a.cfg.Store.Ping)
	if a.cfg.Secondary != nil {
		err = errors.Join(err, ping("secondary storage", a.cfg.SecondaryTimeout, a.cfg.Secondary.Ping))
	}
	return err
}

// Close stops what the engine and its limiter run in the background, within
// the time that ctx allows. Store and secondary storage, which the application
// handed in, stay open.
func (a *Auth) Close(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() {
		a.upkeep.stop()
		closed <- a.limiter.Close()
	}()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close: %w", ctx.Err())
	}
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
