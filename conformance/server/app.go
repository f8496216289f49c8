package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/ratelimit"
)

// app is an application with several engines in it. Its own routes use the
// first, the main one.
type app struct {
	shared
	auths []*core.Auth
	// hooked are the same with database hooks that can fail. They serve while one
	// is to, so that nobody else pays for hooks.
	hooked []*core.Auth
	// closers release what the app stands on, last opened first.
	closers []func() error
}

func newApp(ctx context.Context, cfg config, logger *slog.Logger) (*app, error) {
	a := &app{shared: shared{clock: &clock{}, logger: logger}}
	if err := a.open(ctx, cfg); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *app) open(ctx context.Context, cfg config) (err error) {
	if a.store, err = openStore(cfg, &a.statements); err != nil {
		return fmt.Errorf("STORE: %w", err)
	}
	a.closers = append(a.closers, a.store.Close)
	if a.secondary, err = openSecondary(cfg, a.clock.Now); err != nil {
		return fmt.Errorf("SECONDARY: %w", err)
	}
	if a.secondary != nil {
		a.closers = append(a.closers, a.secondary.Close)
	}
	storage, counts := a.secondary.(ratelimit.Storage)
	if !counts {
		inProcess := ratelimit.NewMemory(ratelimit.MemoryOptions{Now: a.clock.Now})
		a.closers = append(a.closers, inProcess.Close)
		storage = inProcess
	}
	a.counts = newCounts(storage)
	if a.auths, err = a.engines(cfg, nil); err != nil {
		return err
	}
	if a.hooked, err = a.engines(cfg, a.hookFault.hooks()); err != nil {
		return err
	}
	// All instances have the same tables.
	return a.auths[0].Migrate(ctx)
}

// engines makes an engine for every instance.
func (a *app) engines(cfg config, hooks []core.DatabaseHook) (auths []*core.Auth, err error) {
	for _, i := range instances(cfg) {
		auth, err := a.newAuth(cfg, i, hooks)
		if err != nil {
			return nil, err
		}
		auths = append(auths, auth)
		a.closers = append(a.closers, func() error { return auth.Close(context.Background()) })
	}
	return auths, nil
}

func (a *app) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	return errors.Join(errs...)
}

// handler serves the application on the adapter, beside what belongs to no
// application.
func (a *app) handler(adapter string) http.Handler {
	serve := map[string]func([]*core.Auth) http.Handler{"echo": a.echo, "gin": a.gin, "nethttp": a.netHTTP}[adapter]
	plain, hooked := serve(a.auths), serve(a.hooked)
	tests, profiles := a.testAPI(), profiler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case strings.HasPrefix(r.URL.Path, "/__test/"):
			tests.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/debug/pprof/"):
			profiles.ServeHTTP(w, r)
		default:
			defer a.recoverPanic(w, r)
			if a.hookFault.armed() {
				hooked.ServeHTTP(w, r)
				return
			}
			plain.ServeHTTP(w, r)
		}
	})
}

// recoverPanic answers a request whose handler has panicked, in one place for
// all frameworks.
func (a *app) recoverPanic(w http.ResponseWriter, r *http.Request) {
	switch p := recover(); p {
	case nil:
	case http.ErrAbortHandler:
		panic(p)
	default:
		a.auths[0].WriteError(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}
}

func profiler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A profile takes longer than a request may: the deadline for reading
		// would end it.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		mux.ServeHTTP(w, r)
	})
}

// guard is middleware of the library, which each adapter has under its own
// name.
type guard int

const (
	signedIn guard = iota
	signedInLately
	fromTrustedOrigin
	limited
)

// limit is the rule behind limited.
var limit = ratelimit.Rule{Window: 10 * time.Second, Max: 3}

// who asks for the session of the request, in the adapter's way.
type who func() (*core.Identity, error)

// route is one route of the application. All adapters serve it behind the
// optional session and its guards, which run in their order.
type route struct {
	method, path string
	guards       []guard
	answer       func(who) (any, error)
}

var routes = []route{
	{http.MethodGet, "/me", []guard{signedIn}, me},
	{http.MethodGet, "/maybe", nil, maybe},
	{http.MethodGet, "/fresh", []guard{signedInLately}, done},
	{http.MethodGet, "/limited/:id", []guard{limited}, done},
	{http.MethodPost, "/note", []guard{signedIn, fromTrustedOrigin}, done},
	{http.MethodGet, "/panic", nil, func(who) (any, error) { panic("as it was asked to") }},
}

type identity struct {
	User    *core.User    `json:"user"`
	Session *core.Session `json:"session"`
}

func me(ask who) (any, error) {
	id, err := ask()
	if err != nil {
		return nil, err
	}
	return identity{id.User, id.Session}, nil
}

func maybe(ask who) (any, error) {
	id, err := ask()
	if err != nil {
		return nil, err
	}
	var out struct {
		User *core.User `json:"user"`
	}
	if id != nil {
		out.User = id.User
	}
	return out, nil
}

func done(who) (any, error) { return map[string]bool{"ok": true}, nil }

// respondNotFound answers what the application has no route for as the engine
// answers what it has no endpoint for.
func respondNotFound(w http.ResponseWriter) { respond(w, http.StatusNotFound, core.ErrNotFound) }

// respond sends v as JSON, in the same bytes whatever the adapter.
func respond(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(fmt.Errorf("encode answer: %w", err))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}
