package main

import (
	"net/http"
	"path"
	"strings"

	"github.com/ostiary/ostiary/core"
)

// netHTTP is the application without a framework: what the adapters do, by the
// methods of the engine that they do it with.
func (a *app) netHTTP(auths []*core.Auth) http.Handler {
	handlers := map[string]http.Handler{}
	for _, auth := range auths {
		handlers[auth.BasePath()] = auth.Handler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rt := find(r); rt != nil {
			serve(auths[0], w, r, rt)
			return
		}
		// From the last to the main one, whose path may be the root.
		for i := len(auths) - 1; i >= 0; i-- {
			base := auths[i].BasePath()
			if strings.HasPrefix(r.URL.Path, base+"/") {
				handlers[base].ServeHTTP(w, r)
				return
			}
		}
		respondNotFound(w)
	})
}

// find does without http.ServeMux, which answers 301 and 405 where the
// frameworks answer 404.
func find(r *http.Request) *route {
	for i := range routes {
		rt := &routes[i]
		pattern := strings.ReplaceAll(rt.path, ":id", "?*")
		if matched, _ := path.Match(pattern, r.URL.EscapedPath()); matched && rt.method == r.Method {
			return rt
		}
	}
	return nil
}

func serve(auth *core.Auth, w http.ResponseWriter, r *http.Request, rt *route) {
	r = auth.Attach(w, r)
	for _, g := range rt.guards {
		if err := check(auth, g, w, r, rt); err != nil {
			auth.WriteError(w, r, err)
			return
		}
	}
	out, err := rt.answer(func() (*core.Identity, error) {
		return core.RequestFrom(r.Context()).Identity(r.Context())
	})
	if err != nil {
		auth.WriteError(w, r, err)
		return
	}
	respond(w, http.StatusOK, out)
}

func check(auth *core.Auth, g guard, w http.ResponseWriter, r *http.Request, rt *route) (err error) {
	switch g {
	case signedIn:
		_, err = auth.Authenticate(r.Context())
	case signedInLately:
		_, err = auth.AuthenticateFresh(r.Context())
	case fromTrustedOrigin:
		err = auth.CheckOrigin(r)
	case limited:
		err = auth.Limit(r.Context(), w.Header(), limit, r, rt.path)
	}
	return err
}
