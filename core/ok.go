package core

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
)

var okEndpoint = &Endpoint[Nothing, struct {
	OK bool `json:"ok"`
}]{
	Method: http.MethodGet, Path: "/ok",
	Do: func(context.Context, *Request, Nothing) (out struct {
		OK bool `json:"ok"`
	}, err error,
	) {
		out.OK = true
		return out, nil
	},
}

type errorInput struct {
	Error       *string `json:"error" in:"query"`
	Description *string `json:"error_description" in:"query"`
}

// errorEndpoint is where a flow ends that a browser cannot go on with.
var errorEndpoint = &Endpoint[errorInput, *page]{
	Method: http.MethodGet, Path: "/error",
	Do: func(_ context.Context, r *Request, in errorInput) (*page, error) {
		code := "UNKNOWN"
		if in.Error != nil && errorCode.MatchString(*in.Error) {
			code = *in.Error
		}
		description := ""
		if in.Description != nil {
			description = *in.Description
		}
		if target := r.auth.cfg.ErrorURL; target != "" {
			return errorRedirect(target, code, description)
		}
		var html bytes.Buffer
		if err := errorPage.Execute(&html, struct{ Code, Description string }{code, description}); err != nil {
			return nil, fmt.Errorf("render error page: %w", err)
		}
		return htmlPage(html.Bytes()), nil
	},
}

var errorCode = regexp.MustCompile(`^[A-Za-z0-9_'-]{1,100}$`)

func errorRedirect(target, code, description string) (*page, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("ErrorURL: %w", err)
	}
	q := u.Query()
	q.Set("error", code)
	if description != "" {
		q.Set("error_description", description)
	}
	u.RawQuery = q.Encode()
	return &page{location: u.String()}, nil
}

var errorPage = template.Must(template.New("error").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Something went wrong</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1.5rem; color: #222; background: #fff }
code { background: #f1f1f1; padding: .1em .4em; border-radius: 4px }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } code { background: #2a2a2a } }
</style>
<h1>Something went wrong</h1>
<p>We could not finish what you asked for. Please go back and try again.</p>
{{with .Description}}<p>{{.}}</p>{{end}}
<p>Code: <code>{{.Code}}</code></p>
</html>
`))

// coreEndpoints are the endpoints that every engine has.
func coreEndpoints() []EndpointDef {
	return []EndpointDef{
		signUpEmail, signInEmail, signOut,
		getSession, postGetSession, listSessions, revokeSession, revokeSessions, revokeOtherSessions,
		updateUser, changePassword,
		okEndpoint, errorEndpoint,
	}
}
