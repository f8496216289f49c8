package core

import (
	"net/http"
	"net/url"
	"strings"
)

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

func compileRoutes(endpoints []EndpointDef, p *problems) (routes []*route, byEndpoint map[EndpointDef]*route) {
	byEndpoint = map[EndpointDef]*route{}
	for _, e := range endpoints {
		if e == nil {
			p.addf("Plugins: an endpoint is nil")
			continue
		}
		rt, err := e.compile()
		if err != nil {
			p.addf("Plugins: %w", err)
			continue
		}
		if other := conflict(routes, rt); other != nil {
			p.addf("Plugins: endpoint %s %s: %s %s exists already", rt.method, rt.path, other.method, other.path)
			continue
		}
		routes = append(routes, rt)
		byEndpoint[e] = rt
	}
	return routes, byEndpoint
}

// conflict returns a route that some path would reach as well as rt. A path
// without parameters is no conflict with one that has them: it goes first.
func conflict(routes []*route, rt *route) *route {
	segments := strings.Split(rt.path, "/")
	for _, other := range routes {
		if other.method != rt.method {
			continue
		}
		if other.path == rt.path {
			return other
		}
		theirs := strings.Split(other.path, "/")
		if len(theirs) != len(segments) || !strings.Contains(rt.path, ":") || !strings.Contains(other.path, ":") {
			continue
		}
		same := true
		for i := range segments {
			same = same && (segments[i] == theirs[i] || strings.HasPrefix(segments[i], ":") || strings.HasPrefix(theirs[i], ":"))
		}
		if same {
			return other
		}
	}
	return nil
}

// indexRoutes sorts the routes into those found by their path and those whose
// path has parameters.
func (a *Auth) indexRoutes() {
	a.exact = map[string]*route{}
	for _, rt := range a.routes {
		if strings.Contains(rt.path, ":") {
			a.patterned = append(a.patterned, rt)
			continue
		}
		a.exact[rt.method+rt.path] = rt
	}
}
