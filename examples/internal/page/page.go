// Package page is the front end of the examples: one page to sign up, sign in
// and look after one's account, in plain HTML, CSS and JavaScript.
//
//	e.GET("/", echo.WrapHandler(page.Handler()))
//	e.GET("/assets/*", echo.WrapHandler(page.Handler()))
//
// It stands where an application has its own front end. The one thing to know:
// it has no build step and loads nothing from elsewhere, so that its
// Content-Security-Policy allows its own files and nothing else.
package page

import (
	"embed"
	"net/http"
)

//go:embed index.html assets
var files embed.FS

// Handler serves the page at "/" and what it loads below "/assets/".
func Handler() http.Handler {
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
