package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary/internal/input"
	"github.com/ostiary/ostiary/internal/password"
	"github.com/ostiary/ostiary/secondary"
)

// maxCookieHeader bounds what a browser may send in Cookie headers.
const maxCookieHeader = 16 << 10

// bodyTimeout bounds how long a client may take to send a body.
const bodyTimeout = 10 * time.Second

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
	// Not every ResponseWriter has deadlines; then the server's own hold.
	deadlines := http.NewResponseController(w)
	_ = deadlines.SetReadDeadline(time.Now().Add(bodyTimeout))
	data, err := io.ReadAll(http.MaxBytesReader(w, body, a.cfg.MaxBodyBytes))
	_ = deadlines.SetReadDeadline(time.Time{})
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

// maxEcho is how much of what a client sent an error repeats.
const maxEcho = 100

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
	if len(header) > maxEcho {
		header = header[:maxEcho]
	}
	return false, ErrMediaType.withMessage("Content-Type %q is not allowed. Allowed types: %s", header, allowed)
}

// below is the request's path as it was spelled, from the base path on. It is
// false where the path is not below it.
func (a *Auth) below(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.URL.EscapedPath(), a.basePath)
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
			if text, err := url.PathUnescape(values[i]); err == nil {
				params[name] = text
			}
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
// should know of it (of an outage one line in ten seconds, with the number of
// those left out), and sets the headers that belong to it. Adapters call it
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
	attrs := []slog.Attr{slog.String("request", id), slog.Int("status", e.Status), slog.Any("error", err)}
	if e.Status != http.StatusServiceUnavailable {
		a.log.LogAttrs(ctx, slog.LevelError, "request failed", attrs...)
		return e
	}
	if errors.Is(err, context.Canceled) {
		return e // the client has gone
	}
	if before, now := a.outages.next(backEnd(err), a.now()); now {
		a.log.LogAttrs(ctx, slog.LevelWarn, "request could not be served", append(attrs, slog.Int("unlogged", before))...)
	}
	return e
}

// backEnd names what did not answer.
func backEnd(err error) string {
	switch {
	case errors.Is(err, secondary.ErrUnavailable):
		return "secondary storage"
	case errors.Is(err, password.ErrBusy):
		return "password hashing"
	}
	return "store"
}

// outageInterval is how often requests that cannot be served are logged for
// each back end: an outage fails all of them alike.
const outageInterval = 10 * time.Second

// outages decides which failures of an outage are logged.
type outages struct {
	mu        sync.Mutex
	byBackEnd map[string]*outage
}

type outage struct {
	logged   time.Time
	unlogged int
}

// next reports whether a failure of the back end is to be logged, and how many
// before it were not.
func (o *outages) next(of string, at time.Time) (before int, now bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byBackEnd == nil {
		o.byBackEnd = map[string]*outage{}
	}
	last := o.byBackEnd[of]
	if last != nil && at.Sub(last.logged) < outageInterval {
		last.unlogged++
		return 0, false
	}
	if last != nil {
		before = last.unlogged
	}
	o.byBackEnd[of] = &outage{logged: at}
	return before, true
}

// Handler serves every endpoint below the base path, for net/http and for any
// router that takes an [http.Handler]. What is none of them is answered 404
// [ErrNotFound], a known path with another method among them.
func (a *Auth) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := a.below(r)
		if rt := a.lookup(r.Method, path); ok && rt != nil {
			a.serve(w, r, rt)
			return
		}
		a.WriteError(w, r, ErrNotFound)
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
