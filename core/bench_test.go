package core_test

import (
	"net/http/httptest"
	"testing"

	"github.com/ostiary/ostiary/core"
)

// A handler behind the session middleware asks who is signed in.
func BenchmarkSessionCheck(b *testing.B) {
	for name, home := range map[string]func(*core.Config){
		"database":  func(*core.Config) {},
		"secondary": withSecondary(b),
	} {
		b.Run(name, func(b *testing.B) {
			a := newApp(b, home)
			cookie := a.signUp(b, "a@b.com").Cookie(sessionCookie)
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", sessionCookie+"="+cookie)
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				if user, err := core.CurrentUser(a.Attach(w, r).Context()); err != nil || user == nil {
					b.Fatal(user, err)
				}
			}
		})
	}
}
