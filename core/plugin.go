package core

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store"
)

// Plugin adds to the engine: tables, fields, endpoints, hooks around endpoints
// and around changes of rows, and limits.
type Plugin interface {
	// Name tells plugins apart, in errors too: "organization".
	Name() string
	// Register adds what the plugin brings. It runs once, in [New], before the
	// engine exists; an error is reported as part of the [ConfigError].
	Register(*Registry) error
}

// Registry takes what a plugin brings.
type Registry struct {
	tables    []store.Table
	endpoints []EndpointDef
	hooks     []Hook
	rowHooks  []DatabaseHook
	rules     []ratelimit.Rule
}

// Tables adds tables. One with the name of a core table, or of another
// plugin's, adds its fields and indexes to that table.
func (r *Registry) Tables(tables ...store.Table) { r.tables = append(r.tables, tables...) }

// Endpoints adds endpoints. Method and path must be free.
func (r *Registry) Endpoints(endpoints ...EndpointDef) {
	r.endpoints = append(r.endpoints, endpoints...)
}

// Hooks adds hooks; they run in the order in which plugins are configured.
func (r *Registry) Hooks(hooks ...Hook) { r.hooks = append(r.hooks, hooks...) }

// DatabaseHooks adds hooks around changes of rows; they run in the order in
// which plugins are configured, and before those of the configuration.
func (r *Registry) DatabaseHooks(hooks ...DatabaseHook) { r.rowHooks = append(r.rowHooks, hooks...) }

// Limits adds rate-limit rules. They come behind those of the configuration
// and before the built-in ones.
func (r *Registry) Limits(rules ...ratelimit.Rule) { r.rules = append(r.rules, rules...) }

// Hook runs around endpoints.
type Hook struct {
	// Path is a pattern for the endpoints' paths; see [ratelimit.Rule.Path].
	Path string
	// Before runs ahead of validation and guard. It may change the body of the
	// request; an error is the answer.
	Before func(ctx context.Context, r *Request) error
	// After gets what the endpoint answers and returns what is answered
	// instead. It also runs when the endpoint has refused, with the error and an
	// out that says nothing; it does not when a Before hook has.
	After func(ctx context.Context, r *Request, out any, err error) (any, error)
}

// hook is a Hook with its pattern compiled.
type hook struct {
	Hook
	pattern ratelimit.Pattern
}

func (h hook) match(path string) bool { return h.pattern.Match(path) }

// registerPlugins asks every plugin for what it brings.
func registerPlugins(plugins []Plugin, p *problems) *Registry {
	all := &Registry{}
	seen := map[string]bool{}
	for i, plugin := range plugins {
		if plugin == nil {
			continue // reported by check
		}
		name := plugin.Name()
		if name == "" || seen[name] {
			p.addf("Plugins[%d]: the name %q is empty or taken", i, name)
			continue
		}
		seen[name] = true
		own := &Registry{}
		if err := plugin.Register(own); err != nil {
			p.addf("Plugins[%d]: %s: %w", i, name, err)
			continue
		}
		all.tables = append(all.tables, own.tables...)
		all.endpoints = append(all.endpoints, own.endpoints...)
		all.hooks = append(all.hooks, own.hooks...)
		all.rowHooks = append(all.rowHooks, own.rowHooks...)
		all.rules = append(all.rules, own.rules...)
	}
	return all
}

func compileHooks(hooks []Hook, p *problems) []hook {
	var out []hook
	for _, h := range hooks {
		pattern, err := ratelimit.ParsePattern(h.Path)
		if err != nil {
			p.addf("Plugins: hook on %q: %w", h.Path, err)
			continue
		}
		out = append(out, hook{h, pattern})
	}
	return out
}

// wrongSchema words a schema's error for the configuration's reader.
func wrongSchema(err error) error {
	return fmt.Errorf("tables (Naming, UserFields, SessionFields, AccountFields, VerificationFields, Plugins): %w", err)
}
