package core

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/internal/input"
)

// originPolicy decides which origins may send requests and where redirects may
// lead. It is the one place that does.
type originPolicy struct {
	trusted []originPattern
	more    func(*http.Request) []string // nil: none
}

// originPattern is one trusted origin. A star stands for any run of
// characters of a host name, dots included, and for nothing else: it never
// reaches beyond the fixed end of the pattern, over a port or a scheme.
type originPattern struct {
	scheme string // empty: http or https
	host   string // may hold stars
	port   string
	// custom is set for schemes other than http and https, whose URLs are
	// compared by scheme, authority and leading path.
	custom bool
	path   string
}

func newOriginPolicy(base string, trusted []string, more func(*http.Request) []string, p *problems) *originPolicy {
	o := &originPolicy{more: more}
	for i, text := range append([]string{base}, trusted...) {
		if text == "" && i == 0 {
			continue // reported as BaseURL
		}
		pattern, err := parseOriginPattern(text)
		if err != nil {
			p.addf("TrustedOrigins[%d]: %w", i-1, err)
			continue
		}
		o.trusted = append(o.trusted, pattern)
	}
	return o
}

func parseOriginPattern(text string) (originPattern, error) {
	bad := func(why string) (originPattern, error) {
		return originPattern{}, fmt.Errorf("%q %s; use an origin such as \"https://app.example.com\", \"https://*.example.com\" or \"myapp://\"", text, why)
	}
	if strings.TrimSpace(text) != text || text == "" {
		return bad("is empty or has blanks around it")
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "", text
	}
	scheme = strings.ToLower(scheme)
	if strings.ContainsAny(rest, "\\@?#%") || strings.ContainsFunc(text, isControl) {
		return bad("has characters that no origin has")
	}
	authority, below, _ := strings.Cut(rest, "/")
	if ok && scheme != "http" && scheme != "https" {
		if scheme == "" || strings.Contains(scheme, "*") || isScript(scheme) {
			return bad("has no scheme that can be trusted")
		}
		return originPattern{scheme: scheme, host: strings.ToLower(authority), path: strings.Trim(below, "/"), custom: true}, nil
	}
	if below != "" {
		return bad("has a path, which an origin has not")
	}
	host, port := splitPort(strings.ToLower(authority))
	switch {
	case host == "" || strings.Trim(host, "*.") == "":
		return bad("trusts every host")
	case port != "" && strings.Trim(port, "0123456789") != "":
		return bad("has no numeric port")
	}
	return originPattern{scheme: scheme, host: host, port: defaultPort(scheme, port)}, nil
}

// matches reports whether an http or https origin, or a URL with a custom
// scheme, is the pattern's.
func (o originPattern) matches(u *url.URL) bool {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname())
	if o.custom {
		if scheme != o.scheme || (o.host != "" && !strings.EqualFold(u.Host, o.host)) {
			return false
		}
		clean := strings.Trim(path.Clean("/"+u.Path), "/")
		return o.path == "" || clean == o.path || strings.HasPrefix(clean, o.path+"/")
	}
	if scheme != "http" && scheme != "https" || (o.scheme != "" && scheme != o.scheme) {
		return false
	}
	return defaultPort(scheme, u.Port()) == defaultPort(scheme, o.port) && matchHost(o.host, host)
}

// matchHost compares a host with a pattern. A pattern of digits, dots and
// stars stands for IPv4 addresses only.
func matchHost(pattern, host string) bool {
	if !strings.Contains(pattern, "*") {
		return strings.Trim(pattern, "[]") == strings.Trim(host, "[]")
	}
	if strings.Trim(pattern, "0123456789.*") == "" {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is4() {
			return false
		}
		return matchSegments(strings.Split(pattern, "."), strings.Split(host, "."))
	}
	return matchStars(pattern, host)
}

func matchSegments(pattern, host []string) bool {
	if len(pattern) != len(host) {
		return false
	}
	for i := range pattern {
		if !matchStars(pattern[i], host[i]) {
			return false
		}
	}
	return true
}

// matchStars matches text in which each star of the pattern stands for one or
// more characters, in time proportional to pattern times text.
func matchStars(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for _, part := range parts[1 : len(parts)-1] {
		if text == "" {
			return false
		}
		at := strings.Index(text[1:], part)
		if at < 0 {
			return false
		}
		text = text[1+at+len(part):]
	}
	return len(text) > len(last) && strings.HasSuffix(text, last)
}

const (
	maxURL  = 2048
	maxHost = 253 // RFC 1035
)

// trusts reports whether a full URL leads to, or an Origin header names, a
// place that is trusted in the request, which may be nil.
func (o *originPolicy) trusts(r *http.Request, text string) bool {
	if text == "" || len(text) > maxURL || strings.ContainsAny(text, "\\ ") || strings.ContainsFunc(text, isControl) {
		return false
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || len(u.Hostname()) > maxHost || u.User != nil || u.Opaque != "" || isScript(strings.ToLower(u.Scheme)) {
		return false
	}
	if slices.ContainsFunc(o.trusted, func(p originPattern) bool { return p.matches(u) }) {
		return true
	}
	if o.more == nil || r == nil {
		return false
	}
	return slices.ContainsFunc(o.more(r), func(text string) bool {
		p, err := parseOriginPattern(text)
		return err == nil && p.matches(u)
	})
}

// trustsTarget reports whether a redirect may lead there: a path of this
// origin, or a URL of a trusted one.
func (o *originPolicy) trustsTarget(r *http.Request, target string) bool {
	if len(target) > maxURL || !strings.HasPrefix(target, "/") {
		return o.trusts(r, target)
	}
	if strings.HasPrefix(target, "//") || strings.Contains(target, "\\") || strings.ContainsFunc(target, isControl) {
		return false
	}
	place, _, _ := strings.Cut(target, "?")
	place, _, _ = strings.Cut(place, "#")
	lower := strings.ToLower(place)
	if strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") || strings.Contains(lower, "//") {
		return false
	}
	_, err := url.Parse(target)
	return err == nil
}

// redirectMembers are the members that name a place to go, with what the wire
// calls them in its errors.
var redirectMembers = []struct{ member, label, code string }{
	{"callbackURL", "callbackURL", "INVALID_CALLBACK_URL"},
	{"redirectTo", "redirectURL", "INVALID_REDIRECT_URL"},
	{"errorCallbackURL", "errorCallbackURL", "INVALID_ERROR_CALLBACK_URL"},
	{"newUserCallbackURL", "newUserCallbackURL", "INVALID_NEW_USER_CALLBACK_URL"},
}

// check refuses a request that another site made, or that would lead to one.
func (o *originPolicy) check(r *Request, rt *route) error {
	if rt.method != http.MethodGet {
		if err := o.checkOrigin(r.http, rt.signsIn); err != nil {
			return err
		}
	}
	return o.checkTargets(r)
}

// checkOrigin looks at who sends a request that changes something. A request
// without cookies carries nothing that another site could abuse, unless it
// signs in: then what tells a browser from a program decides.
func (o *originPolicy) checkOrigin(r *http.Request, signsIn bool) error {
	h := r.Header
	force := len(h["Cookie"]) > 0
	if !force && signsIn {
		site, mode := h.Get("Sec-Fetch-Site"), h.Get("Sec-Fetch-Mode")
		if site == "cross-site" && mode == "navigate" {
			return ErrCrossSiteLogin
		}
		force = site != "" || mode != "" || h.Get("Sec-Fetch-Dest") != "" || h.Get("Origin") != "" || h.Get("Referer") != ""
	}
	if !force {
		return nil
	}
	origin := h.Get("Origin")
	switch {
	case origin == "null" && h.Get("Sec-Fetch-Site") == "same-origin":
		return nil // pages with a strict referrer policy; a script cannot set this header
	case origin == "":
		origin = h.Get("Referer")
	}
	if origin == "" || origin == "null" {
		return ErrMissingOrigin
	}
	if !o.trusts(r, origin) {
		return ErrInvalidOrigin
	}
	return nil
}

// checkTargets looks at every member that names a place, in the body and in
// the query: an endpoint may take it from either.
func (o *originPolicy) checkTargets(r *Request) error {
	for _, members := range []map[string]any{r.Body(), r.source.Query} {
		for _, m := range redirectMembers {
			value, ok := members[m.member]
			if !ok || !input.IsTruthy(value) {
				continue // nothing to go to; validation says what it thinks of it
			}
			target, isText := value.(string)
			if !isText {
				return newError(http.StatusBadRequest, "VALIDATION_ERROR", "Invalid "+m.label+": expected a string")
			}
			if !o.trustsTarget(r.http, target) {
				return newError(http.StatusForbidden, m.code, "Invalid "+m.label)
			}
		}
	}
	return nil
}

// CheckOrigin refuses a request that changes something, carries cookies and
// comes from a page of an origin that is not trusted: [ErrInvalidOrigin] or
// [ErrMissingOrigin]. Requests that change nothing (GET, HEAD, OPTIONS) pass,
// and so do those without cookies. Applications ask it for their own routes.
func (a *Auth) CheckOrigin(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if len(r.Header["Origin"]) > 1 {
		return ErrInvalidOrigin
	}
	return a.origins.checkOrigin(r, false)
}

func splitPort(authority string) (host, port string) {
	if h, p, err := net.SplitHostPort(authority); err == nil {
		return h, p
	}
	return strings.Trim(authority, "[]"), ""
}

func defaultPort(scheme, port string) string {
	if (scheme == "https" && port == "443") || (scheme == "http" && port == "80") {
		return ""
	}
	return port
}

func isScript(scheme string) bool {
	return scheme == "javascript" || scheme == "data" || scheme == "vbscript" || scheme == "file" || scheme == "blob"
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
