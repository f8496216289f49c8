package core

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxCookieValue is the longest value of ours; a longer one was not set by us.
const maxCookieValue = 4096

// cookieJar makes, signs and reads the cookies of one [Auth]. Names and
// attributes are fixed when it is made.
type cookieJar struct {
	// secrets sign (the first) and verify (all).
	secrets [][]byte
	secure  bool

	sessionToken string
	dontRemember string
}

func newCookieJar(prefix string, secure bool, secrets []string) *cookieJar {
	j := &cookieJar{secure: secure}
	for _, s := range secrets {
		j.secrets = append(j.secrets, []byte(s))
	}
	name := func(logical string) string {
		full := prefix + "." + logical
		if secure {
			full = "__Secure-" + full
		}
		return full
	}
	j.sessionToken, j.dontRemember = name("session_token"), name("dont_remember")
	return j
}

// sign returns the value as it travels: value, a dot, and its MAC in base64.
func (j *cookieJar) sign(value string) string {
	return url.QueryEscape(value + "." + base64.StdEncoding.EncodeToString(mac(j.secrets[0], value)))
}

func mac(secret []byte, value string) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(value))
	return m.Sum(nil)
}

// verify returns the value that a cookie signs, and whether the signature was
// made with a former secret. ok is false for everything that is not exactly
// what sign makes.
func (j *cookieJar) verify(raw string) (value string, old, ok bool) {
	if raw == "" || len(raw) > maxCookieValue {
		return "", false, false
	}
	text, err := url.PathUnescape(raw)
	if err != nil {
		return "", false, false
	}
	dot := strings.LastIndexByte(text, '.')
	if dot < 1 {
		return "", false, false
	}
	value = text[:dot]
	got, err := base64.StdEncoding.Strict().DecodeString(text[dot+1:])
	if err != nil || len(got) != sha256.Size {
		return "", false, false
	}
	for i, secret := range j.secrets {
		if hmac.Equal(got, mac(secret, value)) {
			return value, i > 0, true
		}
	}
	return "", false, false
}

// readCookie returns the raw value of the cookie that the browser sends first under
// the name, or "".
func readCookie(h http.Header, name string) string {
	for _, line := range h["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			n, v, ok := strings.Cut(textproto.TrimString(pair), "=")
			if !ok || textproto.TrimString(n) != name {
				continue
			}
			v = textproto.TrimString(v)
			if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			return v
		}
	}
	return ""
}

// readSigned returns the value that the named cookie of the request signs.
func (j *cookieJar) readSigned(h http.Header, name string) (value string, old, ok bool) {
	return j.verify(readCookie(h, name))
}

// set puts a Set-Cookie header into out, in place of an earlier one of the same
// name: a value that is cleared or replaced must not stay readable in the
// response. maxAge zero makes a cookie that ends with the browser.
func (j *cookieJar) set(out http.Header, name, value string, maxAge time.Duration) {
	j.write(out, name, value, int(maxAge/time.Second))
}

// clear tells the browser to forget the cookie.
func (j *cookieJar) clear(out http.Header, name string) { j.write(out, name, "", -1) }

func (j *cookieJar) write(out http.Header, name, value string, maxAge int) {
	remove(out, name)
	c := http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: j.secure, SameSite: http.SameSiteLaxMode,
	}
	out["Set-Cookie"] = append(out["Set-Cookie"], c.String())
	if out.Get("Cache-Control") == "" {
		// A shared cache must not hand this cookie to others.
		out.Set("Cache-Control", "no-store")
	}
}

// remove takes what was set under the name out of a response.
func remove(out http.Header, name string) {
	out["Set-Cookie"] = slices.DeleteFunc(out["Set-Cookie"], func(line string) bool {
		return strings.HasPrefix(line, name+"=")
	})
	if len(out["Set-Cookie"]) == 0 {
		delete(out, "Set-Cookie")
	}
}

// drop takes everything about a session out of a response.
func (j *cookieJar) drop(out http.Header) {
	remove(out, j.sessionToken)
	remove(out, j.dontRemember)
}

// setSession makes the browser hold the token: for the session's whole life,
// or until it closes when the user does not want to be remembered.
func (j *cookieJar) setSession(out http.Header, token string, remember bool, life time.Duration) {
	if remember {
		j.set(out, j.sessionToken, j.sign(token), life)
		return
	}
	j.set(out, j.sessionToken, j.sign(token), 0)
	j.set(out, j.dontRemember, j.sign("true"), 0)
}

// clearSession makes the browser forget everything about a session.
func (j *cookieJar) clearSession(out http.Header) {
	j.clear(out, j.sessionToken)
	j.clear(out, j.dontRemember)
}

// dontRememberSet reports whether the browser carries the mark of a user who
// does not want to be remembered.
func (j *cookieJar) dontRememberSet(h http.Header) bool {
	v, _, ok := j.readSigned(h, j.dontRemember)
	return ok && v == "true"
}

// reissue sets the session cookie anew with its full life, after a change that
// front ends expect to see a fresh cookie for.
func (j *cookieJar) reissue(r *Request, token string, life time.Duration) {
	j.setSession(r.out, token, !j.dontRememberSet(r.header), life)
}
