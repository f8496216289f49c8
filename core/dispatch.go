package core

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
)

// Route is one endpoint as HTTP serves it. Adapters register each with their
// framework.
type Route struct {
	// Method and Path say where: Path is below the base path and may hold
	// ":name" parameters, as Echo and Gin write them.
	Method, Path string

	auth  *Auth
	route *route
}

// ServeHTTP serves the endpoint. Whatever happens, a panic included, is
// answered; nothing is left to the caller.
func (rt Route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt.auth.serve(w, r, rt.route)
}

// serve is the order in which a request is processed:
//
//	disabled paths, rate limit, sizes and form of the request, origin and
//	redirect targets, hooks before, validation, guard, endpoint, hooks after.
func (a *Auth) serve(w http.ResponseWriter, hr *http.Request, rt *route) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	path, ok := a.below(hr)
	if !ok || !matchParams(rt.path, path) {
		// Frameworks are generous: one decodes a path before it matches, another
		// lets a parameter be empty or hold a slash.
		a.WriteError(w, hr, ErrNotFound)
		return
	}
	r := &Request{auth: a, header: hr.Header, out: h, path: rt.path}
	r.source.Path = pathParams(rt.path, path)
	ctx := withRequest(hr.Context(), r)
	// Functions of the application that get the request can ask it who calls.
	hr = hr.WithContext(ctx)
	r.http = hr

	answer, err := guarded(ctx, r, func() (*page, error) {
		if a.disabled[rt.path] {
			return nil, ErrNotFound
		}
		if err := a.limit(ctx, r); err != nil {
			return nil, err
		}
		if err := a.admit(w, r, rt); err != nil {
			return nil, err
		}
		if err := a.origins.check(r, rt); err != nil {
			return nil, err
		}
		out, err := a.run(ctx, rt, r)
		if err != nil {
			return nil, err
		}
		return newAnswer(out)
	})
	if err != nil {
		a.sessions.withdraw(ctx, r)
		h.Del("Location")
		a.WriteError(w, hr, err)
		return
	}
	answer.write(w)
}

// guarded runs fn and turns a panic into an error, so that a fault in a hook
// can neither end the process nor let a request through.
func guarded[T any](ctx context.Context, r *Request, fn func() (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.auth.log.ErrorContext(ctx, "panic while serving", slog.String("path", r.path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = ErrInternal.Because(fmt.Errorf("panic: %v", p))
		}
	}()
	return fn()
}

// limit counts the request against the rule for its route.
func (a *Auth) limit(ctx context.Context, r *Request) error {
	res, err := a.limiter.Allow(ctx, r.http, r.path)
	if err != nil {
		return err
	}
	return a.limited(r.out, res)
}

// run is what HTTP and Go calls share: hooks before, validation, guard,
// endpoint, hooks after.
func (a *Auth) run(ctx context.Context, rt *route, r *Request) (any, error) {
	for _, h := range a.hooks {
		if h.Before == nil || !h.match(rt.path) {
			continue
		}
		if err := h.Before(ctx, r); err != nil {
			return nil, err
		}
	}
	out, err := a.invoke(ctx, rt, r)
	for _, h := range a.hooks {
		if h.After != nil && h.match(rt.path) {
			out, err = h.After(ctx, r, out, err)
		}
	}
	return out, err
}

func (a *Auth) invoke(ctx context.Context, rt *route, r *Request) (any, error) {
	in := rt.newIn()
	if problems := rt.shape.Decode(r.source, in); len(problems) > 0 {
		return nil, ErrValidation.withMessage("%s", problems.Error())
	}
	switch rt.guard {
	case Public:
	case NeedsSession:
		if _, err := a.Authenticate(ctx); err != nil {
			return nil, err
		}
	case NeedsFresh:
		if _, err := a.AuthenticateFresh(ctx); err != nil {
			return nil, err
		}
	}
	return rt.do(ctx, r, in)
}

// page is an answer: a body of some type, or a redirect where location is set.
type page struct {
	location    string
	contentType string
	body        []byte
}

// htmlPage is a page for people.
func htmlPage(html []byte) *page { return &page{contentType: "text/html; charset=utf-8", body: html} }

// newAnswer makes what is written out of what an endpoint returned.
func newAnswer(out any) (*page, error) {
	if p, ok := out.(*page); ok {
		return p, nil
	}
	body, err := encodeJSON(out)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return &page{contentType: "application/json", body: body}, nil
}

func (p *page) write(w http.ResponseWriter) {
	h := w.Header()
	if p.location != "" {
		h.Set("Location", p.location)
		w.WriteHeader(http.StatusFound)
		return
	}
	h.Set("Content-Type", p.contentType)
	if strings.HasPrefix(p.contentType, "text/html") {
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("Referrer-Policy", "no-referrer")
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(p.body)
}
