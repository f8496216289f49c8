package core

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/ostiary/ostiary/internal/input"
)

// Endpoint is one thing the engine can be asked to do: the method and path
// under which HTTP reaches it, what it takes, what it answers, and the
// function. Served over HTTP or called from Go, it is the same function behind
// the same checks.
//
// In is a struct; its fields are filled from the request:
//
//	type renameInput struct {
//		Name  string  `json:"name" check:"nonempty"` // required member of the body
//		Title *string `json:"title"`                 // optional one
//		Token *string `json:"token" in:"query"`      // from the query
//	}
//
// What does not fit is answered 400 with every problem named. Out is encoded
// as JSON; nil becomes null.
type Endpoint[In, Out any] struct {
	// Method is GET or POST.
	Method string
	// Path starts with a slash, below the base path; ":name" is a parameter.
	Path string
	// Guard says who may call. The zero value lets everybody.
	Guard Guard
	// Form accepts form bodies besides JSON.
	Form bool
	// SignsIn marks an entrance: the Origin is checked even where the browser
	// sends no cookie, so that nobody can be signed in as somebody else from
	// another site.
	SignsIn bool
	// Do does it.
	Do func(ctx context.Context, r *Request, in In) (Out, error)
}

// Nullable is a member of a body that may be absent, null or a value.
type Nullable[T any] = input.Nullable[T]

// Truthy is a switch in a query: on for any text but the empty one, as
// JavaScript has it, "false" and "0" among them.
type Truthy = input.Truthy

// Guard says who may call an [Endpoint].
type Guard uint8

// The guards.
const (
	Public       Guard = iota // everybody
	NeedsSession              // who is signed in; others get [ErrUnauthorized]
	NeedsFresh                // who signed in lately; others get [ErrSessionNotFresh]
)

// EndpointDef is any [Endpoint], whatever it takes and answers.
type EndpointDef interface {
	compile() (*route, error)
}

// route is an endpoint with its types erased.
type route struct {
	method, path  string
	guard         Guard
	form, signsIn bool
	// body: the endpoint reads one.
	body  bool
	shape *input.Shape
	newIn func() reflect.Value // pointer to a zero In
	do    func(ctx context.Context, r *Request, in reflect.Value) (any, error)
}

func (e *Endpoint[In, Out]) compile() (*route, error) {
	var errs []error
	if e.Method != http.MethodGet && e.Method != http.MethodPost {
		errs = append(errs, fmt.Errorf("endpoint %s %s: the method must be GET or POST", e.Method, e.Path))
	}
	if !validRoute(e.Path) {
		errs = append(errs, fmt.Errorf("endpoint %s %q: the path must be segments of letters, digits, - and _, each behind a /, or parameters such as :id of different names", e.Method, e.Path))
	}
	if e.SignsIn && e.Method == http.MethodGet {
		errs = append(errs, fmt.Errorf("endpoint %s %s: an entrance must not be reached by GET", e.Method, e.Path))
	}
	if e.Do == nil {
		errs = append(errs, fmt.Errorf("endpoint %s %s: Do is nil", e.Method, e.Path))
	}
	in := reflect.TypeFor[In]()
	shape, err := input.Compile(in)
	if err != nil {
		errs = append(errs, fmt.Errorf("endpoint %s %s: %w", e.Method, e.Path, err))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &route{
		method: e.Method, path: e.Path, guard: e.Guard, form: e.Form, signsIn: e.SignsIn,
		body: e.Method == http.MethodPost, shape: shape,
		newIn: func() reflect.Value { return reflect.New(in) },
		do: func(ctx context.Context, r *Request, v reflect.Value) (any, error) {
			return e.Do(ctx, r, *v.Interface().(*In))
		},
	}, nil
}

var routeSegment = regexp.MustCompile(`^(:[A-Za-z_][A-Za-z0-9_]*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)$`)

func validRoute(path string) bool {
	segments := strings.Split(path, "/")
	if len(segments) < 2 || segments[0] != "" {
		return false
	}
	params := map[string]bool{}
	for _, s := range segments[1:] {
		if !routeSegment.MatchString(s) || params[s] {
			return false
		}
		params[s] = strings.HasPrefix(s, ":")
	}
	return true
}

// Reply is the answer to a call from Go.
type Reply[Out any] struct {
	// Value is what HTTP would carry as JSON.
	Value Out
	// Header holds what belongs into the response to the browser, cookies above
	// all.
	Header http.Header
}

// Apply puts the reply's headers into a response that has not been written
// yet. Server-rendered pages call it to sign the browser in or out.
func (r *Reply[Out]) Apply(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range r.Header {
		if name == "Set-Cookie" {
			h[name] = append(h[name], values...)
			continue
		}
		h[name] = values
	}
}

// Call runs the endpoint from Go: input is validated, hooks and guards apply;
// rate limits, origin checks and disabled paths, which are about HTTP, do not.
//
// The caller's cookies and address are those of the request that ctx belongs
// to, see [Auth.Attach]; without one the call is nobody's.
func (e *Endpoint[In, Out]) Call(ctx context.Context, a *Auth, in In) (*Reply[Out], error) {
	rt := a.byEndpoint[e]
	if rt == nil {
		return nil, fmt.Errorf("endpoint %s %s is not part of this engine; register it with a plugin", e.Method, e.Path)
	}
	r := &Request{auth: a, header: http.Header{}, out: http.Header{}, path: rt.path}
	outer := a.requestFrom(ctx)
	if outer != nil {
		r.http, r.header = outer.http, outer.header
		r.share(ctx, outer)
	}
	r.source = rt.shape.Source(reflect.ValueOf(in))
	ctx = withRequest(ctx, r)
	out, err := guarded(ctx, r, func() (any, error) { return a.run(ctx, rt, r) })
	if err != nil {
		a.sessions.withdraw(ctx, r)
		return nil, err
	}
	if outer != nil {
		// Who asks after a sign-in or sign-out is told what is true now.
		if err := a.db.AfterCommit(ctx, func(context.Context) error { outer.follow(r); return nil }); err != nil {
			return nil, err
		}
	}
	reply := &Reply[Out]{Header: r.out}
	value, ok := out.(Out)
	if !ok && out != nil {
		return nil, fmt.Errorf("endpoint %s: a hook replaced the answer by a %T", rt.path, out)
	}
	reply.Value = value
	return reply, nil
}
