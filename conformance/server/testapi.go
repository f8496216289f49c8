package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/ostiary/ostiary/conformance/internal/faults"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

// testAPI is what tests do to the server behind the application's back.
func (a *app) testAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /__test/outbox", a.outbox)
	mux.HandleFunc("POST /__test/reset", a.reset)
	mux.HandleFunc("POST /__test/user", a.setUser)
	mux.HandleFunc("POST /__test/clock", a.moveClock)
	mux.HandleFunc("POST /__test/fault", a.setFault)
	mux.HandleFunc("GET /__test/metrics", a.metrics)
	mux.HandleFunc("GET /__test/ready", a.ready)
	return mux
}

// outbox lists the mails that would have been sent. Nothing sends any yet.
func (a *app) outbox(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, []struct{}{})
}

// reset forgets the counts of all rate limits.
func (a *app) reset(w http.ResponseWriter, _ *http.Request) {
	a.counts.forget()
	respondDone(w)
}

// setUser writes columns of a user that no endpoint lets a client write.
func (a *app) setUser(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Email         string  `json:"email"`
		Role          *string `json:"role"`
		EmailVerified *bool   `json:"emailVerified"`
	}
	if !read(w, r, &in) {
		return
	}
	change := core.UserChange{EmailVerified: in.EmailVerified}
	if in.Role != nil {
		if a.auths[0].Database().Schema().Table(core.TableUser).Field("role") == nil {
			respondError(w, http.StatusBadRequest, errors.New("users have no role: no plugin adds it"))
			return
		}
		change.Fields = map[string]any{"role": *in.Role}
	}
	users := a.auths[0].Users()
	user, err := users.ByEmail(r.Context(), in.Email)
	if err == nil {
		_, err = users.Update(r.Context(), user.ID, change)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		respondError(w, http.StatusNotFound, err)
	case err != nil:
		respondError(w, http.StatusInternalServerError, err)
	default:
		respondDone(w)
	}
}

// moveClock moves the time of every instance and of all that is kept in this
// process. Redis keeps its own.
func (a *app) moveClock(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Advance float64 `json:"advance"` // seconds
	}
	if !read(w, r, &in) {
		return
	}
	a.clock.advance(time.Duration(in.Advance * float64(time.Second)))
	respondDone(w)
}

// setFault has a database statement fail once, or a database hook until further
// notice, in place of what was to fail before. With nothing in the body it tells
// whether that has happened.
func (a *app) setFault(w http.ResponseWriter, r *http.Request) {
	var in fault
	if !read(w, r, &in) {
		return
	}
	kind, err := faults.Kind(""), in.check()
	if err == nil && in.Statement > 0 {
		kind, err = faults.ParseKind(in.Error)
	}
	if err != nil {
		respondError(w, http.StatusBadRequest, err)
		return
	}
	inStatement, inHook := a.statements.Clear(), a.hookFault.clear()
	switch {
	case in.Statement > 0:
		a.statements.Fail(in.Statement, kind)
	case in.Hook != "":
		a.hookFault.set(in.Hook, errors.New(in.Error), in.Panic)
	default:
		respond(w, http.StatusOK, map[string]bool{"fired": inStatement || inHook})
		return
	}
	respondDone(w)
}

func (a *app) metrics(w http.ResponseWriter, _ *http.Request) {
	type hashes struct {
		Running int    `json:"running"`
		Waiting int    `json:"waiting"`
		Total   uint64 `json:"total"`
	}
	var out struct {
		Goroutines     int    `json:"goroutines"`
		PasswordHashes hashes `json:"passwordHashes"`
		MailsSent      int    `json:"mailsSent"`
	}
	out.Goroutines = runtime.NumGoroutine()
	for _, auth := range slices.Concat(a.auths, a.hooked) {
		s := auth.PasswordStats()
		out.PasswordHashes.Running += s.Running
		out.PasswordHashes.Waiting += s.Waiting
		out.PasswordHashes.Total += s.Total
	}
	respond(w, http.StatusOK, out)
}

func (a *app) ready(w http.ResponseWriter, r *http.Request) {
	if err := a.auths[0].Ready(r.Context()); err != nil {
		respondError(w, http.StatusServiceUnavailable, err)
		return
	}
	respondDone(w)
}

// read decodes the body and answers what it cannot read.
func read(w http.ResponseWriter, r *http.Request, in any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(in)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		respondError(w, http.StatusBadRequest, fmt.Errorf("read body: %w", err))
		return false
	}
	return true
}

func respondDone(w http.ResponseWriter) { respond(w, http.StatusOK, struct{}{}) }

func respondError(w http.ResponseWriter, status int, err error) {
	respond(w, status, map[string]string{"error": err.Error()})
}
