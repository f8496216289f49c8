package adaptertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/ostiary/ostiary/core"
)

// NetHTTP builds the application on net/http: what adapters do, by the methods
// of the engine that they do it with.
func NetHTTP(app App) http.Handler {
	endpoints := app.Auth.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover().(type) {
			case nil:
			case *core.Error:
				app.fail(w, r, p)
			default:
				app.Auth.WriteError(w, r, fmt.Errorf("panic: %v", p))
			}
		}()
		if app.OnGroup {
			r = app.Auth.Attach(w, r)
		}
		if rt := app.find(r); rt != nil {
			app.serve(w, r, rt)
			return
		}
		if app.OnGroup && strings.HasPrefix(r.URL.Path, app.Auth.BasePath()+"/") {
			w.Header().Set("X-Group", "auth")
		}
		endpoints.ServeHTTP(w, r)
	})
}

func (a App) find(r *http.Request) *Route {
	for i := range a.Routes {
		rt := &a.Routes[i]
		stem, parameter := strings.CutSuffix(rt.Path, ":id")
		value, below := strings.CutPrefix(r.URL.EscapedPath(), stem)
		if rt.Method == r.Method && below && (value != "") == parameter && !strings.Contains(value, "/") {
			return rt
		}
	}
	return nil
}

func (a App) serve(w http.ResponseWriter, r *http.Request, rt *Route) {
	for _, g := range rt.Guards {
		if !a.Auth.Attached(r.Context()) {
			r = a.Auth.Attach(w, r)
		}
		if err := a.check(g, w, r, rt); err != nil {
			a.fail(w, r, err)
			return
		}
	}
	out, err := rt.Handle(a.visit(w, r))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if out != nil {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	}
}

func (a App) check(g Guard, w http.ResponseWriter, r *http.Request, rt *Route) (err error) {
	switch g {
	case Session:
	case RequireSession:
		_, err = a.Auth.Authenticate(r.Context())
	case RequireFresh:
		_, err = a.Auth.AuthenticateFresh(r.Context())
	case CheckOrigin:
		err = a.Auth.CheckOrigin(r)
	case RateLimit:
		err = a.Auth.Limit(r.Context(), w.Header(), Rule, r, rt.Path)
	}
	return err
}

func (a App) fail(w http.ResponseWriter, r *http.Request, err error) {
	if !a.OwnErrors {
		a.Auth.WriteError(w, r, err)
		return
	}
	status, page := ErrorPage(a.Auth.Report(r.Context(), w.Header(), err))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page))
}

// visit offers what adapters do. There is no framework here, whose context
// could hold anything.
func (a App) visit(w http.ResponseWriter, r *http.Request) Visit {
	req := core.RequestFrom(r.Context())
	identity := func() (*core.Identity, error) {
		if req == nil {
			return nil, nil
		}
		return req.Identity(r.Context())
	}
	must := func() *core.Identity {
		id, err := identity()
		if err != nil {
			panic(core.AsError(err))
		}
		return id
	}
	v := Visit{Writer: w, Request: r, Identity: identity}
	if req != nil {
		v.Kept = req
	}
	v.User = func() *core.User {
		if id := must(); id != nil {
			return id.User
		}
		return nil
	}
	v.CurrentSession = func() *core.Session {
		if id := must(); id != nil {
			return id.Session
		}
		return nil
	}
	return v
}
