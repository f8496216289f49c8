package core

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/ostiary/ostiary/internal/input"
)

// maxCookieHeader bounds what a browser may send in Cookie headers.
const maxCookieHeader = 16 << 10

// bodyTimeout bounds how long a client may take to send a body.
const bodyTimeout = 10 * time.Second

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
