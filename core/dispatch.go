package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/internal/input"
)

// maxCookieHeader bounds what a browser may send in Cookie headers.
const maxCookieHeader = 16 << 10

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
	r := &Request{auth: a, http: hr, header: hr.Header, out: h, path: rt.path}
	ctx := withRequest(hr.Context(), r)

	out, err := a.guarded(ctx, r, func() (any, error) {
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
		return a.run(ctx, rt, r)
	})
	if err != nil {
		a.sessions.withdraw(ctx, r)
		a.WriteError(w, hr, err)
		return
	}
	a.writeAnswer(w, hr, out)
}

// guarded runs fn and turns a panic into an error, so that a fault in a hook
// can neither end the process nor let a request through.
func (a *Auth) guarded(ctx context.Context, r *Request, fn func() (any, error)) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.log.ErrorContext(ctx, "panic while serving", slog.String("path", r.path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			out, err = nil, ErrInternal.Because(fmt.Errorf("panic: %v", p))
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

// admit reads the request: its headers' sizes, its query, its body.
func (a *Auth) admit(w http.ResponseWriter, r *Request, rt *route) error {
	for _, name := range []string{"Origin", "Content-Type", "Authorization"} {
		if len(r.header[name]) > 1 {
			return ErrBadRequest.withMessage("%s is given more than once", name)
		}
	}
	size := 0
	for _, line := range r.header["Cookie"] {
		size += len(line)
	}
	if size > maxCookieHeader {
		return ErrHeadersTooLarge
	}
	query, err := input.ParseQuery(r.http.URL.RawQuery)
	if err != nil {
		return ErrBadRequest.withMessage("Invalid query string").Because(err)
	}
	r.source.Query = query
	r.source.Path = pathParams(rt.path, strings.TrimPrefix(r.http.URL.Path, a.basePath))
	if rt.body {
		return a.readBody(w, r, rt)
	}
	return nil
}

// readBody reads and parses the body within its bound.
func (a *Auth) readBody(w http.ResponseWriter, r *Request, rt *route) error {
	body := r.http.Body
	if body == nil || body == http.NoBody {
		return nil
	}
	if r.http.ContentLength > a.cfg.MaxBodyBytes {
		// Nothing of it is read; the connection cannot serve another request.
		w.Header().Set("Connection", "close")
		return ErrBodyTooLarge
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, body, a.cfg.MaxBodyBytes))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return ErrBodyTooLarge
		}
		return ErrBadRequest.withMessage("The request body could not be read").Because(err)
	}
	if len(data) == 0 {
		return nil
	}
	form, err := mediaType(r.header.Get("Content-Type"), rt.form)
	if err != nil {
		return err
	}
	r.source.HasBody = true
	if form {
		members, err := input.ParseForm(data)
		if err != nil {
			return ErrBadRequest.withMessage("Invalid form in request body").Because(err)
		}
		r.source.Body = members
		return nil
	}
	r.source.Body, err = input.ParseJSON(data)
	if err != nil {
		return ErrBadRequest.withMessage("Invalid JSON in request body").Because(err)
	}
	return nil
}

// mediaType reports whether a body of the type is a form, and refuses what is
// neither that nor JSON.
func mediaType(header string, formAllowed bool) (form bool, err error) {
	allowed := "application/json"
	if formAllowed {
		allowed = "application/x-www-form-urlencoded, application/json"
	}
	if header == "" {
		return false, ErrMediaType.withMessage("Content-Type is required. Allowed types: %s", allowed)
	}
	switch mt, _, err := mime.ParseMediaType(header); {
	case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
	case mt == "application/json":
		return false, nil
	case mt == "application/x-www-form-urlencoded" && formAllowed:
		return true, nil
	}
	return false, ErrMediaType.withMessage("Content-Type %q is not allowed. Allowed types: %s", header, allowed)
}

// pathParams reads the values of the pattern's parameters out of the path,
// which has matched it.
func pathParams(pattern, path string) map[string]string {
	if !strings.Contains(pattern, ":") {
		return nil
	}
	params := map[string]string{}
	values := strings.Split(path, "/")
	for i, segment := range strings.Split(pattern, "/") {
		if name, ok := strings.CutPrefix(segment, ":"); ok && i < len(values) {
			params[name] = values[i]
		}
	}
	return params
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

// page is an answer for people: HTML, or a redirect where location is set.
type page struct {
	location string
	html     []byte
}

func (a *Auth) writeAnswer(w http.ResponseWriter, r *http.Request, out any) {
	if p, ok := out.(*page); ok {
		p.write(w)
		return
	}
	body, err := encodeJSON(out)
	if err != nil {
		a.WriteError(w, r, fmt.Errorf("encode answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
}

func (p *page) write(w http.ResponseWriter) {
	h := w.Header()
	if p.location != "" {
		h.Set("Location", p.location)
		w.WriteHeader(http.StatusFound)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(p.html)
}

// WriteError answers with the error as JSON. What is no [Error] is logged with
// an id and answered as [ErrUnavailable] or [ErrInternal], without detail; the
// id is in the X-Request-Id header of the answer.
func (a *Auth) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	e := a.Report(r.Context(), w.Header(), err)
	body, encodeErr := encodeJSON(e)
	if encodeErr != nil {
		body = []byte(`{"code":"INTERNAL_SERVER_ERROR","message":"Internal Server Error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// Report turns an error into the [Error] to answer with, logs what an operator
// should know of it, and sets the headers that belong to it. Adapters call it
// before handing the error to their framework.
func (a *Auth) Report(ctx context.Context, h http.Header, err error) *Error {
	e := AsError(err)
	if e.RetryAfter > 0 && h.Get("Retry-After") == "" {
		seconds := int64((e.RetryAfter + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if e.Status < http.StatusInternalServerError {
		return e
	}
	id := h.Get("X-Request-Id")
	if id == "" {
		if generated, err := randomText(a.cfg.Rand, 16); err == nil {
			id = generated
			h.Set("X-Request-Id", id)
		}
	}
	level := slog.LevelError
	if e.Status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	a.log.Log(ctx, level, "request failed", slog.String("request", id), slog.Int("status", e.Status), slog.Any("error", err))
	return e
}

// Handler serves every endpoint below the base path, for net/http and for any
// router that takes an [http.Handler]. What is none of them is answered 404
// with an empty body, a known path with another method among them.
func (a *Auth) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, a.basePath)
		if rt := a.lookup(r.Method, path); ok && rt != nil {
			a.serve(w, r, rt)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
}

// lookup finds the endpoint for a path below the base path.
func (a *Auth) lookup(method, path string) *route {
	if rt := a.exact[method+path]; rt != nil {
		return rt
	}
	for _, rt := range a.patterned {
		if rt.method == method && matchParams(rt.path, path) {
			return rt
		}
	}
	return nil
}

// matchParams reports whether a path has the shape of a pattern: the same
// segments, with something in place of each parameter.
func matchParams(pattern, path string) bool {
	for {
		p, restPattern, morePattern := strings.Cut(pattern, "/")
		s, restPath, morePath := strings.Cut(path, "/")
		if morePattern != morePath || (p != s && (!strings.HasPrefix(p, ":") || s == "")) {
			return false
		}
		if !morePattern {
			return true
		}
		pattern, path = restPattern, restPath
	}
}
