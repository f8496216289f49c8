package ratelimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ostiary/ostiary/ratelimit"
)

// A limiter alone, in front of the handlers of a plain net/http server.
func Example() {
	limiter, err := ratelimit.New(ratelimit.Config{
		Window: time.Minute, Max: 100, Headers: true,
		Rules: []ratelimit.Rule{
			{Method: "POST", Path: "/login", Max: 2},
			{Path: "/health", Disabled: true},
		},
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = limiter.Close() }()

	limited := func(route string, next http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			result, err := limiter.Allow(r.Context(), r, route)
			if err != nil {
				http.Error(w, "try again later", http.StatusServiceUnavailable)
				return
			}
			limiter.SetHeaders(w.Header(), result)
			if !result.Allowed {
				http.Error(w, "too many requests", http.StatusTooManyRequests)
				return
			}
			next(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("POST /login", limited("/login", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))

	for range 3 {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("POST", "/login?attempt=again", nil))
		fmt.Printf("%d %s\n", w.Code, w.Header().Get("RateLimit-Policy"))
	}
	// Output:
	// 204 "default";q=2;w=60
	// 204 "default";q=2;w=60
	// 429 "default";q=2;w=60
}

// A limit at one place of the application, counted for what the request
// presents instead of for its address.
func ExampleLimiter_AllowRule() {
	limiter, err := ratelimit.New(ratelimit.Config{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = limiter.Close() }()

	perKey := ratelimit.PerHour(1)
	perKey.By = func(r *http.Request) string { return r.Header.Get("X-API-Key") }

	for _, key := range []string{"first", "first", "second"} {
		r := httptest.NewRequest("GET", "/reports/7", nil)
		r.Header.Set("X-API-Key", key)
		result, err := limiter.AllowRule(r.Context(), perKey, r, "/reports/{id}")
		fmt.Println(result.Allowed, result.RetryAfter.Round(time.Hour), err)
	}
	// Output:
	// true 0s <nil>
	// false 1h0m0s <nil>
	// true 0s <nil>
}

func ExampleClientIP() {
	proxies, err := ratelimit.ParseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		panic(err)
	}
	clientIP := ratelimit.ClientIP{TrustedProxies: proxies}

	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:443"
	r.Header.Set("X-Forwarded-For", "192.0.2.99, 2001:db8::7")
	fmt.Println(clientIP.Addr(r))
	fmt.Println(clientIP.Key(r))
	// Output:
	// 2001:db8::7
	// 2001:0db8:0000:0000:0000:0000:0000:0000
}

func ExampleParsePattern() {
	pattern, err := ratelimit.ParsePattern("/sign-in/*")
	fmt.Println(pattern.Match("/sign-in/email"), pattern.Match("/sign-in"), pattern.Match("/sign-in/a/b"), err)
	// Output: true false false <nil>
}
