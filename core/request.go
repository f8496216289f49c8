package core

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/internal/input"
)

// Request is what an endpoint, a hook or a handler behind the session
// middleware knows about the call it serves. It is the same whether the call
// came over HTTP or from Go.
//
// [Request.Identity] and [Request.Issued] are safe for concurrent use; the
// first call may set cookies on the response, so ask once before starting
// goroutines that write to it. The other methods belong to the goroutine that
// serves the request.
type Request struct {
	auth   *Auth
	http   *http.Request // nil for a call from Go outside a request
	header http.Header   // of the request, never nil
	out    http.Header   // of the response, never nil
	path   string        // the endpoint's pattern below the base path, or empty
	source input.Source

	outer *Request // of another engine, or around a call from Go

	// lookup is held by who looks the session up. Hooks run meanwhile, and may
	// ask who it is: building answers them.
	lookup   sync.Mutex
	building atomic.Pointer[Identity]

	mu       sync.Mutex // not held while anything else is waited for
	looked   bool
	changed  bool // the identity is not what the cookies of the request say
	identity *Identity
	lookErr  error
	issued   *Identity
}

// Auth is the engine that serves the request.
func (r *Request) Auth() *Auth { return r.auth }

// HTTP is the request as it came, or nil for a call from Go that was made
// outside of one.
func (r *Request) HTTP() *http.Request { return r.http }

// Header holds the request's headers. Do not change them.
func (r *Request) Header() http.Header { return r.header }

// ResponseHeader holds the headers of the response to come.
func (r *Request) ResponseHeader() http.Header { return r.out }

// Path is the pattern of the endpoint that is served, below the base path:
// "/sign-in/email". It is empty in a handler of the application.
func (r *Request) Path() string { return r.path }

// Body holds the members of the body as they were sent, before validation;
// nil when there is none or it is no object. A Before hook may change them.
func (r *Request) Body() map[string]any {
	body, _ := r.source.Body.(map[string]any)
	return body
}

// UserAgent is the request's User-Agent header, cut to 512 bytes.
func (r *Request) UserAgent() string {
	ua := r.header.Get("User-Agent")
	if len(ua) > maxUserAgent {
		ua = ua[:maxUserAgent]
	}
	return cleanText(ua)
}

const maxUserAgent = 512

// ClientIP is the client's address as the configuration decides it, IPv6 cut
// to its network; empty when unknown.
func (r *Request) ClientIP() string {
	if r.http == nil {
		return ""
	}
	return r.auth.clientIP(r.http)
}

// Identity returns the session that the request brings, with its user: nil
// when it brings none. It is looked up once, at the first call. An error means
// that storage could not tell, which is not the same as none.
func (r *Request) Identity(ctx context.Context) (*Identity, error) {
	if id, err, known := r.known(); known {
		return id, err
	}
	if inside, _ := ctx.Value(lookupKey{}).(*Request); inside == r {
		return r.building.Load(), nil
	}
	r.lookup.Lock()
	defer r.lookup.Unlock()
	if id, err, known := r.known(); known {
		return id, err
	}
	id, err := r.auth.sessions.check(ctx, r)
	if errors.Is(err, context.Canceled) {
		return nil, err // says nothing about the session: the next one asks again
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.looked { // it has become somebody else's meanwhile
		r.identity, r.lookErr, r.looked = id, err, true
	}
	return r.identity, r.lookErr
}

// lookupKey marks a context in which the session of a request is being looked
// up.
type lookupKey struct{}

// inLookup is the context for what runs hooks during the lookup.
func (r *Request) inLookup(ctx context.Context) context.Context {
	return context.WithValue(ctx, lookupKey{}, r)
}

// known returns what has been found out about the session, if anything has.
func (r *Request) known() (id *Identity, err error, known bool) { //nolint:revive // the error is not this function's own
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.identity, r.lookErr, r.looked
}

// Issued returns the session that this request was given, or nil. After hooks
// of sign-in endpoints look here.
func (r *Request) Issued() *Identity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.issued
}

// disablesRefresh reports whether the query asks to leave the session as it is.
func (r *Request) disablesRefresh() bool {
	text, _ := r.source.Query["disableRefresh"].(string)
	return text != ""
}

// become makes the request somebody else's than its cookies say.
func (r *Request) become(id *Identity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.identity, r.lookErr, r.looked, r.changed = id, nil, true, true
}

// share takes over what the request around this one knows already. Inside its
// lookup, for a call that a hook makes, that is what it is about to know.
func (r *Request) share(ctx context.Context, outer *Request) {
	r.identity, r.lookErr, r.looked = outer.known()
	if inside, _ := ctx.Value(lookupKey{}).(*Request); inside == outer && !r.looked {
		r.identity, r.looked = outer.building.Load(), true
	}
}

// follow takes over what a call made within this request has changed.
func (r *Request) follow(inner *Request) {
	inner.mu.Lock()
	id, changed := inner.identity, inner.changed
	inner.mu.Unlock()
	if changed {
		r.become(id)
	}
}

type requestKey struct{}

// RequestFrom returns the request that the context belongs to, or nil. There
// is one in endpoints, hooks and handlers behind the session middleware.
func RequestFrom(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}

func withRequest(ctx context.Context, r *Request) context.Context {
	r.outer = RequestFrom(ctx)
	return context.WithValue(ctx, requestKey{}, r)
}

// requestFrom returns the engine's own request, which may stand behind that of
// another.
func (a *Auth) requestFrom(ctx context.Context) *Request {
	r := RequestFrom(ctx)
	for r != nil && r.auth != a {
		r = r.outer
	}
	return r
}

// Attach returns r with a context from which the session can be read, by
// [Auth.Authenticate], [CurrentUser] and [CurrentSession]. It reads nothing itself:
// the first question does. Cookies that the check renews are set on w.
//
// Session middleware of every framework is this call.
func (a *Auth) Attach(w http.ResponseWriter, r *http.Request) *http.Request {
	req := &Request{auth: a, http: r, header: r.Header, out: w.Header()}
	return r.WithContext(withRequest(r.Context(), req))
}

// Attached reports whether the context carries a request of this engine.
func (a *Auth) Attached(ctx context.Context) bool {
	return a.requestFrom(ctx) != nil
}

// Authenticate returns the session that the attached request brings, or
// [ErrUnauthorized] when it brings none.
func (a *Auth) Authenticate(ctx context.Context) (*Identity, error) {
	r := a.requestFrom(ctx)
	if r == nil {
		return nil, ErrUnauthorized
	}
	id, err := r.Identity(ctx)
	if err != nil {
		return nil, err
	}
	if id == nil {
		return nil, ErrUnauthorized
	}
	return id, nil
}

// AuthenticateFresh is [Auth.Authenticate] for sessions whose sign-in is not
// longer ago than [SessionConfig.FreshAge]; [ErrSessionNotFresh] otherwise.
func (a *Auth) AuthenticateFresh(ctx context.Context) (*Identity, error) {
	id, err := a.Authenticate(ctx)
	if err != nil {
		return nil, err
	}
	if fresh := a.cfg.Session.FreshAge; fresh >= 0 && a.now().Sub(id.Session.CreatedAt) >= fresh {
		return nil, ErrSessionNotFresh
	}
	return id, nil
}

// CurrentUser returns the user of the request that the context belongs to, nil
// when nobody is signed in. The error means that storage could not tell.
func CurrentUser(ctx context.Context) (*User, error) {
	id, err := current(ctx)
	if id == nil {
		return nil, err
	}
	return id.User, nil
}

// CurrentSession returns the session of the request that the context belongs
// to, nil when nobody is signed in. The error means that storage could not
// tell.
func CurrentSession(ctx context.Context) (*Session, error) {
	id, err := current(ctx)
	if id == nil {
		return nil, err
	}
	return id.Session, nil
}

func current(ctx context.Context) (*Identity, error) {
	r := RequestFrom(ctx)
	if r == nil {
		return nil, nil
	}
	return r.Identity(ctx)
}
