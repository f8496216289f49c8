// Package ratelimit limits how often something may be done: so many times in
// a window, by client address or by whatever else, exactly, in one process or
// in many.
//
// The engine uses it for its own endpoints, the adapters offer it for an
// application's routes:
//
//	api.POST("/import", importRows, echoauth.RateLimit(auth, ratelimit.PerMinute(5)))
//
// It stands alone as well: make a [Limiter] with [New], ask it with
// [Limiter.Allow] and tell the client with [Limiter.SetHeaders]. The one thing
// to know: the count is exact. Whatever the concurrency and wherever a
// window's edge falls, no stretch of time as long as the window ever holds
// more than the maximum of allowed requests, and a client that goes on while
// refused is let in again as soon as its oldest allowed request has left the
// window. An instant one whole window after a hit is outside that hit's
// window.
//
// Requests are counted by rule, route and client. The route is the pattern
// the router matched, never the raw URL, so that no query, encoding or path
// parameter makes a fresh count. The client is the address [ClientIP] finds,
// which believes a forwarding header only from the proxies it was told of, or
// what [Rule].By says.
//
// Counts live in a [Storage]: [Memory] for one process, the default, or a
// shared one for many. While a shared one does not answer, a Limiter counts in
// its own process by the same rules, or refuses where a rule says [Rule].Deny;
// it never lets everything through.
package ratelimit

import (
	"context"
	"net/http"
	"time"
)

// Rule says how often what matches it may happen.
//
// The zero Method and Path match everything. The zero Window or Max take the
// limiter's default.
type Rule struct {
	// Method is an HTTP method in upper case, or empty for all of them, which
	// then share one count. GET covers HEAD, as it does in a router.
	Method string
	// Path is a pattern for the route, in the syntax of [ParsePattern]:
	// "/sign-in/email" exactly, "/sign-in/*" for one more segment,
	// "/sign-in/**" for any number, none among them. Below the engine's base
	// path it starts after that path.
	Path string
	// Window is the length of time that Max applies to. Whole milliseconds, at
	// most 366 days.
	Window time.Duration
	// Max is how many are allowed in the window, at most a million.
	Max int
	// Disabled lets everything that matches through, uncounted.
	Disabled bool
	// By names the client a request is counted for; nil is its address (see
	// [ClientIP]). An empty name is one client: all unnamed requests share it.
	// Names reach the storage as a hash only, so that a credential may be one.
	By func(*http.Request) string
	// Deny refuses requests while the storage of the counts is down. False, the
	// default, counts them in this process meanwhile, by the same rule.
	Deny bool
	// Decide, if set, is asked on every request that matches and returns the
	// rule to apply: the one it is given, with the defaults filled in, changed
	// or not. It may vary Window, Max, Disabled, By and Deny; the rest has done
	// its work by then. The count stays this rule's, whatever the answer.
	Decide func(*http.Request, Rule) Rule
}

// PerSecond allows n requests a second.
func PerSecond(n int) Rule { return Rule{Window: time.Second, Max: n} }

// PerMinute allows n requests a minute.
func PerMinute(n int) Rule { return Rule{Window: time.Minute, Max: n} }

// PerHour allows n requests an hour.
func PerHour(n int) Rule { return Rule{Window: time.Hour, Max: n} }

// Result is a [Limiter]'s answer.
type Result struct {
	// Allowed tells whether the request may go on. It has then been counted; a
	// refused one has not.
	Allowed bool
	// Limit and Window are those of the rule that decided. Limit is 0 when no
	// rule applied.
	Limit  int
	Window time.Duration
	// Remaining is how many more would be allowed now.
	Remaining int
	// Reset is the time until Remaining grows next.
	Reset time.Duration
	// RetryAfter is the time until a refused request would be allowed; 0 for an
	// allowed one.
	RetryAfter time.Duration
}

// Storage keeps the counts. It must be exact: for one key no interval as long
// as window ever holds more than limit allowed hits, however many callers
// there are.
//
// Hit counts one more for the key, unless that would be too many, and says
// which. The zero now asks for the storage's own clock, which is the right one
// where several processes share it; another now is the instant of the hit. An
// error that wraps secondary.ErrUnavailable means the storage did not answer.
//
// Hit is safe for concurrent use and answers in bounded time: a [Limiter] does
// not cut it short.
type Storage interface {
	Hit(ctx context.Context, key string, limit int, window time.Duration, now time.Time) (Result, error)
}
