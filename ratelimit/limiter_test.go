package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/testclock"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
)

func newLimiter(t testing.TB, c ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func get(peer string) *http.Request { return withMethod(http.MethodGet, peer) }

func withMethod(method, peer string) *http.Request {
	r := request(peer)
	r.Method = method
	return r
}

// allow asks the limiter and fails the test on an error.
func allow(t testing.TB, l *ratelimit.Limiter, r *http.Request, route string) ratelimit.Result {
	t.Helper()
	result, err := l.Allow(r.Context(), r, route)
	if err != nil {
		t.Error(err)
	}
	return result
}

func allowRule(t testing.TB, l *ratelimit.Limiter, rule ratelimit.Rule, r *http.Request, route string) ratelimit.Result {
	t.Helper()
	result, err := l.AllowRule(r.Context(), rule, r, route)
	if err != nil {
		t.Error(err)
	}
	return result
}

func TestFirstMatchingRuleDecides(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{
		Window: time.Minute, Max: 100,
		Rules: []ratelimit.Rule{
			{Path: "/get-session", Disabled: true},
			{Path: "/sign-in/email", Max: 5},
			{Method: "POST", Path: "/sign-in/*", Window: time.Second},
			{Path: "/sign-in/**", Window: time.Hour, Max: 7},
			{Path: "/sign-in/email", Max: 1000},
			{Method: "GET", Path: "/list", Max: 9},
			{Method: "DELETE", Max: 2},
		},
	})
	tests := []struct {
		method, route string
		limit         int
		window        time.Duration
	}{
		{"POST", "/sign-in/email", 5, time.Minute},
		{"GET", "/sign-in/email/", 5, time.Minute},
		{"POST", "/sign-in/social", 100, time.Second},
		{"GET", "/sign-in/social", 7, time.Hour},
		{"POST", "/sign-in/a/b", 7, time.Hour},
		{"GET", "/list", 9, time.Minute},
		{"HEAD", "/list", 9, time.Minute},
		{"POST", "/list", 100, time.Minute},
		{"DELETE", "/anything", 2, time.Minute},
		{"GET", "/", 100, time.Minute},
		{"GET", "", 100, time.Minute},
		{"GET", "/get-session", 0, 0},
	}
	for _, test := range tests {
		result := allow(t, l, withMethod(test.method, "192.0.2.1:1"), test.route)
		if !result.Allowed || result.Limit != test.limit || result.Window != test.window {
			t.Errorf("%s %s: %+v, want %d in %v", test.method, test.route, result, test.limit, test.window)
		}
		rule, counted := l.Rule(test.method, test.route)
		if counted != (test.limit > 0) || counted && (rule.Max != test.limit || rule.Window != test.window) {
			t.Errorf("%s %s: rule %d in %v (%v)", test.method, test.route, rule.Max, rule.Window, counted)
		}
	}
}

func TestZeroConfigLimitsToAHundredInTenSeconds(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{})
	got := together(300, func(int) bool { return allow(t, l, get("192.0.2.1:1"), "/a").Allowed })
	if got != 100 {
		t.Errorf("%d allowed, want 100", got)
	}
	if result := allow(t, l, get("192.0.2.1:1"), "/a"); result.Limit != 100 || result.Window != 10*time.Second {
		t.Errorf("%+v, want 100 in 10s", result)
	}
}

func TestDisabledLimiterCountsNothingButCallSites(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Disabled: true, Max: 1})
	for range 3 {
		if result := allow(t, l, get("192.0.2.1:1"), "/a"); result != (ratelimit.Result{Allowed: true}) {
			t.Errorf("%+v", result)
		}
	}
	if _, counted := l.Rule("GET", "/a"); counted {
		t.Error("Rule says that requests are counted")
	}
	allowRule(t, l, ratelimit.PerMinute(1), get("192.0.2.1:1"), "/a")
	if allowRule(t, l, ratelimit.PerMinute(1), get("192.0.2.1:1"), "/a").Allowed {
		t.Error("the rule at the call site does not limit")
	}
}

func TestWhatSharesACountAndWhatDoesNot(t *testing.T) {
	t.Parallel()
	const peer = "192.0.2.1:1"
	type ask func(*ratelimit.Limiter) ratelimit.Result
	table := func(method, peer, route string) ask {
		return func(l *ratelimit.Limiter) ratelimit.Result { return allow(t, l, withMethod(method, peer), route) }
	}
	call := func(rule ratelimit.Rule, route string) ask {
		return func(l *ratelimit.Limiter) ratelimit.Result { return allowRule(t, l, rule, get(peer), route) }
	}
	named := func(name string) ratelimit.Rule {
		rule := ratelimit.PerMinute(1)
		rule.By = func(*http.Request) string { return name }
		return rule
	}
	long := strings.Repeat("/very-long-segment", 20)
	tests := []struct {
		name          string
		first, second ask
		shared        bool
	}{
		{"same client and route", table("GET", peer, "/a"), table("GET", peer, "/a"), true},
		{"methods", table("GET", peer, "/a"), table("POST", peer, "/a"), true},
		{"ports of a client", table("GET", peer, "/a"), table("GET", "192.0.2.1:2", "/a"), true},
		{"addresses of an IPv6 network", table("GET", "[2001:db8:1:1::1]:1", "/a"), table("GET", "[2001:db8:1:1::6]:1", "/a"), true},
		{"trailing slash", table("GET", peer, "/a"), table("GET", peer, "/a/"), true},
		{"clients without address", table("GET", "@", "/a"), table("GET", "", "/a"), true},
		{"long route", table("GET", peer, long), table("GET", peer, long), true},
		{"call site", call(ratelimit.PerMinute(1), "/a"), call(ratelimit.PerMinute(1), "/a"), true},
		{"names", call(named("u1"), "/a"), call(named("u1"), "/a"), true},
		{"requests without name", call(named(""), "/a"), call(named(""), "/a"), true},

		{"clients", table("GET", peer, "/a"), table("GET", "192.0.2.2:1", "/a"), false},
		{"IPv6 networks", table("GET", "[2001:db8:1:1::1]:1", "/a"), table("GET", "[2001:db8:1:2::1]:1", "/a"), false},
		{"routes", table("GET", peer, "/a"), table("GET", peer, "/b"), false},
		{"routes of one rule", table("GET", peer, "/wild/a"), table("GET", peer, "/wild/b"), false},
		{"root and no route", table("GET", peer, "/"), table("GET", peer, ""), false},
		{"long routes", table("GET", peer, long+"/a"), table("GET", peer, long+"/b"), false},
		{"rule with a method and without", table("PUT", peer, "/a"), table("GET", peer, "/a"), false},
		{"configuration and call site", table("GET", peer, "/a"), call(ratelimit.Rule{Window: time.Minute, Max: 1}, "/a"), false},
		{"call sites on two routes", call(ratelimit.PerMinute(1), "/a"), call(ratelimit.PerMinute(1), "/b"), false},
		{"call sites with two windows", call(ratelimit.PerMinute(1), "/a"), call(ratelimit.PerHour(1), "/a"), false},
		{"two names", call(named("u1"), "/a"), call(named("u2"), "/a"), false},
		{"name and address", call(named("192.0.2.1"), "/a"), call(ratelimit.PerMinute(1), "/a"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLimiter(t, ratelimit.Config{
				Window: time.Minute, Max: 1,
				Rules: []ratelimit.Rule{{Method: "PUT", Path: "/a"}, {Path: "/wild/*"}},
			})
			if !test.first(l).Allowed {
				t.Fatal("the first request is refused")
			}
			if got := !test.second(l).Allowed; got != test.shared {
				t.Errorf("shared: %v, want %v", got, test.shared)
			}
		})
	}
}

func TestForwardedHeaderMakesNoFreshCount(t *testing.T) {
	t.Parallel()
	rules := []ratelimit.Rule{{Path: "/sign-in/email", Max: 3}}
	trusting := ratelimit.ClientIP{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	tests := []struct {
		name      string
		clientIP  ratelimit.ClientIP
		forwarded string
	}{
		{"no trusted proxies, single value", ratelimit.ClientIP{}, "203.0.113.%d"},
		{"spoofed value in front", trusting, "198.51.100.%d, 203.0.113.7"},
		{"addresses of one IPv6 network", trusting, "2001:db8:1:1::%d"},
		{"ports", trusting, "203.0.113.7:%d"},
		{"junk", trusting, "junk-%d"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLimiter(t, ratelimit.Config{Rules: rules, ClientIP: test.clientIP})
			for i := range 6 {
				r := request("127.0.0.1:1", fmt.Sprintf(test.forwarded, i+1))
				if got, want := allow(t, l, r, "/sign-in/email").Allowed, i < 3; got != want {
					t.Errorf("request %d: allowed %v, want %v", i+1, got, want)
				}
			}
		})
	}
}

func TestLimiterMovesWithItsClock(t *testing.T) {
	t.Parallel()
	c := testclock.New()
	l := newLimiter(t, ratelimit.Config{Window: 10 * time.Second, Max: 2, Now: c.Now})
	for i, want := range []bool{true, true, false, false} {
		if got := allow(t, l, get("192.0.2.1:1"), "/a").Allowed; got != want {
			t.Errorf("request %d: %v", i, got)
		}
	}
	c.Advance(10 * time.Second)
	if !allow(t, l, get("192.0.2.1:1"), "/a").Allowed {
		t.Error("refused after the window")
	}
}

func TestDecideVariesTheRuleByRequest(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{
		Window: time.Minute, Max: 50,
		Rules: []ratelimit.Rule{{Path: "/a", Max: 1, Decide: func(r *http.Request, rule ratelimit.Rule) ratelimit.Rule {
			if rule.Max != 1 || rule.Window != time.Minute {
				t.Errorf("given %d in %v", rule.Max, rule.Window)
			}
			switch r.Header.Get("Plan") {
			case "paid":
				rule.Max = 10
			case "staff":
				rule.Disabled = true
			case "broken":
				rule.Max = -1
			}
			return rule
		}}},
	})
	ask := func(plan string) (ratelimit.Result, error) {
		r := get("192.0.2.1:1")
		r.Header.Set("Plan", plan)
		return l.Allow(r.Context(), r, "/a")
	}
	for _, step := range []struct {
		plan    string
		allowed bool
		limit   int
	}{{"", true, 1}, {"", false, 1}, {"paid", true, 10}, {"staff", true, 0}, {"", false, 1}} {
		result, err := ask(step.plan)
		if err != nil || result.Allowed != step.allowed || result.Limit != step.limit {
			t.Errorf("%q: %+v, %v", step.plan, result, err)
		}
	}
	if result, err := ask("broken"); err == nil || result.Allowed {
		t.Errorf("invalid decision: %+v, %v", result, err)
	}
}

func TestLimitersShareAMemoryAndLeaveItOpen(t *testing.T) {
	t.Parallel()
	m := newMemory(t, ratelimit.MemoryOptions{})
	first := newLimiter(t, ratelimit.Config{Storage: m, Max: 1})
	second := newLimiter(t, ratelimit.Config{Storage: m, Max: 1})
	if !allow(t, first, get("192.0.2.1:1"), "/a").Allowed {
		t.Error("the first request is refused")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if allow(t, second, get("192.0.2.1:1"), "/a").Allowed {
		t.Error("the second limiter does not see the count of the first")
	}
	m.Reset()
	if !allow(t, second, get("192.0.2.1:1"), "/a").Allowed {
		t.Error("refused after the counts were reset")
	}
}

func TestShorthandsOfRules(t *testing.T) {
	t.Parallel()
	for window, rule := range map[time.Duration]ratelimit.Rule{
		time.Second: ratelimit.PerSecond(3), time.Minute: ratelimit.PerMinute(3), time.Hour: ratelimit.PerHour(3),
	} {
		if rule.Max != 3 || rule.Window != window {
			t.Errorf("%d in %v, want 3 in %v", rule.Max, rule.Window, window)
		}
	}
}

func TestRuleAtACallSite(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{Window: time.Minute, Max: 7})
	if result := allowRule(t, l, ratelimit.Rule{}, get("192.0.2.1:1"), "/a"); result.Limit != 7 || result.Window != time.Minute {
		t.Errorf("zero rule: %+v, want the defaults", result)
	}
	for _, rule := range []ratelimit.Rule{{Disabled: true}, {Method: "POST"}, {Path: "/b"}} {
		if result := allowRule(t, l, rule, get("192.0.2.1:1"), "/a"); result != (ratelimit.Result{Allowed: true}) {
			t.Errorf("%+v applies: %+v", rule, result)
		}
	}
	if result := allowRule(t, l, ratelimit.Rule{Method: "GET", Path: "/a/*", Max: 3}, get("192.0.2.1:1"), "/a/:id"); result.Limit != 3 {
		t.Errorf("rule with method and path: %+v", result)
	}
	r := get("192.0.2.1:1")
	if result, err := l.AllowRule(r.Context(), ratelimit.PerMinute(-1), r, "/a"); err == nil || result.Allowed {
		t.Errorf("invalid rule: %+v, %v", result, err)
	}
}

func TestNewReportsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := ratelimit.New(ratelimit.Config{
		Window: -time.Second,
		Max:    -1,
		Rules: []ratelimit.Rule{
			{Path: "/fine", Window: time.Millisecond, Max: 1_000_000},
			{Path: "sign-in", Window: 5, Max: 2_000_000},
			{Path: "/a?x=1", Method: "post"},
			{Method: "GE T", Window: 1000 * 24 * time.Hour, Max: -5},
		},
		ClientIP: ratelimit.ClientIP{IPv6Prefix: -1},
	})
	if err == nil {
		t.Fatal("no error")
	}
	fields := []string{
		"Config.Window:", "Config.Max:", "Rules[1].Path:", "Rules[1].Window:", "Rules[1].Max:",
		"Rules[2].Path:", "Rules[2].Method:", "Rules[3].Method:", "Rules[3].Window:", "Rules[3].Max:", "Config.ClientIP.IPv6Prefix:",
	}
	for _, field := range fields {
		if !strings.Contains(err.Error(), "ratelimit.Config") || !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s:\n%v", field, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != len(fields) {
		t.Errorf("%d problems, want %d:\n%v", lines, len(fields), err)
	}
}

func TestLimiterKeepsItsOwnCopyOfTheConfiguration(t *testing.T) {
	t.Parallel()
	c := ratelimit.Config{
		Rules:    []ratelimit.Rule{{Path: "/a", Max: 1}},
		ClientIP: ratelimit.ClientIP{TrustedProxies: proxies(t, "127.0.0.1")},
	}
	l := newLimiter(t, c)
	c.Rules[0].Max = 100
	c.ClientIP.TrustedProxies[0] = netip.MustParsePrefix("198.51.100.0/24")
	for i, want := range []bool{true, false} {
		r := request("198.51.100.1:1", fmt.Sprintf("203.0.113.%d", i))
		if got := allow(t, l, r, "/a").Allowed; got != want {
			t.Errorf("request %d: %v", i, got)
		}
	}
}

func TestHeadersOfAllowedAnswersAreOptional(t *testing.T) {
	t.Parallel()
	allowed := ratelimit.Result{Allowed: true, Limit: 3, Window: time.Second, Remaining: 2, Reset: time.Second}
	refused := ratelimit.Result{Limit: 3, Window: time.Second, RetryAfter: time.Second}
	for _, test := range []struct {
		headers bool
		result  ratelimit.Result
		want    int
	}{{false, allowed, 0}, {true, allowed, 2}, {false, refused, 4}, {true, refused, 4}} {
		h := http.Header{}
		newLimiter(t, ratelimit.Config{Headers: test.headers}).SetHeaders(h, test.result)
		if len(h) != test.want {
			t.Errorf("Headers %v, allowed %v: %v", test.headers, test.result.Allowed, h)
		}
	}
}

// faulty is a storage that fails as told, and counts otherwise.
type faulty struct {
	ratelimit.Storage

	mu    sync.Mutex
	err   error
	calls int
	keys  []string
	nows  []time.Time
	// meanwhile runs while the storage is asked.
	meanwhile func()
}

func (f *faulty) Hit(ctx context.Context, key string, limit int, window time.Duration, now time.Time) (ratelimit.Result, error) {
	f.mu.Lock()
	f.calls++
	f.keys = append(f.keys, key)
	f.nows = append(f.nows, now)
	err := f.err
	f.mu.Unlock()
	if f.meanwhile != nil {
		f.meanwhile()
	}
	if ctx.Err() != nil {
		return ratelimit.Result{}, ctx.Err()
	}
	if err != nil {
		return ratelimit.Result{}, err
	}
	return f.Storage.Hit(ctx, key, limit, window, now)
}

func (f *faulty) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *faulty) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

var errDown = fmt.Errorf("hit: %w: connection refused", secondary.ErrUnavailable)

// withFaulty returns a limiter with a storage that can be made to fail, and
// what it logs.
func withFaulty(t *testing.T, c ratelimit.Config) (*ratelimit.Limiter, *faulty, *testclock.Clock, *bytes.Buffer) {
	t.Helper()
	moved, logged := testclock.New(), new(bytes.Buffer)
	storage := &faulty{Storage: newMemory(t, ratelimit.MemoryOptions{Now: moved.Now})}
	c.Storage, c.Now, c.Logger = storage, moved.Now, slog.New(slog.NewTextHandler(logged, nil))
	return newLimiter(t, c), storage, moved, logged
}

func TestFailingStorageIsReplacedByCountsInThisProcess(t *testing.T) {
	t.Parallel()
	l, storage, c, _ := withFaulty(t, ratelimit.Config{Window: time.Minute, Max: 20})
	storage.fail(errDown)
	if got := together(300, func(int) bool { return allow(t, l, get("192.0.2.1:1"), "/a").Allowed }); got != 20 {
		t.Errorf("%d allowed, want 20 as by the rule", got)
	}
	if result := allow(t, l, get("192.0.2.1:1"), "/a"); result.RetryAfter != time.Minute || result.Limit != 20 {
		t.Errorf("%+v", result)
	}
	storage.fail(nil)
	c.Advance(time.Second)
	if result := allow(t, l, get("192.0.2.1:1"), "/a"); !result.Allowed || result.Remaining != 19 {
		t.Errorf("after recovery: %+v, want the storage's count", result)
	}
}

func TestDeadStorageIsAskedOnceASecond(t *testing.T) {
	t.Parallel()
	l, storage, c, logged := withFaulty(t, ratelimit.Config{Max: 1000})
	ask := func(n int) { together(n, func(int) bool { return allow(t, l, get("192.0.2.1:1"), "/a").Allowed }) }

	storage.fail(errDown)
	ask(1)
	ask(50)
	if got := storage.asked(); got != 1 {
		t.Errorf("asked %d times within the first second, want once", got)
	}
	for range 59 {
		c.Advance(time.Second)
		ask(20)
	}
	if got := storage.asked(); got != 60 {
		t.Errorf("asked %d times in a minute, want 60", got)
	}
	if got := strings.Count(logged.String(), "level=ERROR"); got != 2 {
		t.Errorf("%d lines logged in a minute, want 2:\n%s", got, logged)
	}
	if !strings.Contains(logged.String(), "connection refused") || !strings.Contains(logged.String(), "failures=30") {
		t.Errorf("the log lacks the error or the number of failures:\n%s", logged)
	}

	storage.fail(nil)
	c.Advance(time.Second)
	ask(1)
	ask(50)
	if got := storage.asked(); got != 111 {
		t.Errorf("asked %d times, want 111: all again after one has succeeded", got)
	}
	if got := strings.Count(logged.String(), "answers again"); got != 1 {
		t.Errorf("recovery logged %d times:\n%s", got, logged)
	}
}

func TestDenyRefusesWhileTheStorageIsDown(t *testing.T) {
	t.Parallel()
	l, storage, c, _ := withFaulty(t, ratelimit.Config{Rules: []ratelimit.Rule{{Path: "/strict", Deny: true}}})
	storage.fail(errDown)
	for range 3 { // asked, then kept away
		r := get("192.0.2.1:1")
		result, err := l.Allow(r.Context(), r, "/strict")
		if !errors.Is(err, secondary.ErrUnavailable) || result.Allowed {
			t.Errorf("%+v, %v", result, err)
		}
	}
	if !allow(t, l, get("192.0.2.1:1"), "/lenient").Allowed {
		t.Error("another rule refuses")
	}
	c.Advance(time.Second)
	storage.fail(errors.New("wrong type"))
	r := get("192.0.2.1:1")
	if result, err := l.Allow(r.Context(), r, "/strict"); !errors.Is(err, secondary.ErrUnavailable) || result.Allowed {
		t.Errorf("another failure: %+v, %v", result, err)
	}
	c.Advance(time.Second)
	storage.fail(nil)
	if !allow(t, l, get("192.0.2.1:1"), "/strict").Allowed {
		t.Error("refused after recovery")
	}
}

func TestErrorOfASingleKeyKeepsNobodyFromTheStorage(t *testing.T) {
	t.Parallel()
	l, storage, _, logged := withFaulty(t, ratelimit.Config{Max: 2, Window: time.Minute})
	storage.fail(errors.New("wrong type of value"))
	for i, want := range []bool{true, true, false} {
		if got := allow(t, l, get("192.0.2.1:1"), "/a").Allowed; got != want {
			t.Errorf("request %d: %v, want a count in this process", i, got)
		}
	}
	if got := storage.asked(); got != 3 {
		t.Errorf("asked %d times, want each time", got)
	}
	if got := strings.Count(logged.String(), "\n"); got != 1 {
		t.Errorf("%d lines logged, want 1:\n%s", got, logged)
	}
}

func TestClientThatGoesAwayDoesNotMakeOthersCountElsewhere(t *testing.T) {
	t.Parallel()
	l, storage, _, logged := withFaulty(t, ratelimit.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	storage.meanwhile = cancel
	result, err := l.Allow(ctx, get("192.0.2.1:1"), "/a")
	storage.meanwhile = nil
	if !errors.Is(err, context.Canceled) || result.Allowed {
		t.Errorf("cancelled request: %+v, %v", result, err)
	}
	allow(t, l, get("192.0.2.1:1"), "/a")
	if got := storage.asked(); got != 2 || logged.Len() > 0 {
		t.Errorf("asked %d times, want 2; logged %q", got, logged)
	}
}

func TestStorageThatMissesTheDeadlineIsLeftAlone(t *testing.T) {
	t.Parallel()
	l, storage, _, _ := withFaulty(t, ratelimit.Config{})
	storage.fail(context.DeadlineExceeded)
	for range 3 {
		allow(t, l, get("192.0.2.1:1"), "/a")
	}
	if got := storage.asked(); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
}

func TestCallersWhoComeTooLateAreNotCountedAndBlameNobody(t *testing.T) {
	t.Parallel()
	l, storage, _, _ := withFaulty(t, ratelimit.Config{Max: 1})
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	if _, err := l.Allow(ctx, get("192.0.2.1:1"), "/a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if !allow(t, l, get("192.0.2.1:1"), "/a").Allowed || storage.asked() != 1 {
		t.Errorf("asked %d times, want once, for the caller who was there", storage.asked())
	}
}

func TestAStorageThatFailsInBetweenLetsNoMoreThroughInOneProcess(t *testing.T) {
	t.Parallel()
	for k := range 12 {
		l, storage, c, _ := withFaulty(t, ratelimit.Config{Window: time.Minute, Max: 5})
		allowed := 0
		for i := range 30 {
			if i == k {
				storage.fail(errDown)
			}
			if allow(t, l, get("192.0.2.1:1"), "/a").Allowed {
				allowed++
			}
			if i%3 == 0 {
				c.Advance(time.Second)
			}
		}
		if allowed != 5 {
			t.Errorf("failing from request %d on: %d allowed, want 5", k, allowed)
		}
	}
}

func TestStorageIsGivenItsKeysAndItsOwnClock(t *testing.T) {
	t.Parallel()
	const apiKey = "secret-api-key"
	storage := &faulty{Storage: newMemory(t, ratelimit.MemoryOptions{})}
	l := newLimiter(t, ratelimit.Config{Storage: storage, Rules: []ratelimit.Rule{
		{Path: "/by-key", By: func(*http.Request) string { return apiKey }},
	}})
	allow(t, l, get("192.0.2.1:1"), "/by-key")
	allow(t, l, get("192.0.2.1:1"), "/"+strings.Repeat("x", 5000))
	allow(t, l, get("[2001:db8::1]:1"), "/a")
	allow(t, l, get("192.0.2.1:1"), "/with|separator")
	for i, key := range storage.keys {
		if strings.Count(key, "|") != 2 {
			t.Errorf("key %q has not three parts", key)
		}
		if strings.Contains(key, apiKey) {
			t.Errorf("the key holds a client's name in plain: %s", key)
		}
		if len(key) > 250 {
			t.Errorf("a key of %d bytes", len(key))
		}
		if !storage.nows[i].IsZero() {
			t.Errorf("instant %v, want zero: the storage's clock", storage.nows[i])
		}
	}
	if !strings.HasSuffix(storage.keys[2], "|/a|2001:0db8:0000:0000:0000:0000:0000:0000") {
		t.Errorf("key %q", storage.keys[2])
	}
}

func TestLimiterInMemoryDoesNotAllocate(t *testing.T) {
	l := newLimiter(t, ratelimit.Config{
		Rules:    []ratelimit.Rule{{Path: "/sign-in/*", Max: 5}, {Path: "/named", By: func(r *http.Request) string { return r.RemoteAddr }}},
		ClientIP: ratelimit.ClientIP{TrustedProxies: proxies(t, "10.0.0.0/8")},
	})
	r := request("10.0.0.1:1", "2001:db8::1")
	rule := ratelimit.Rule{Path: "/own/*", Max: 3}
	for name, ask := range map[string]func() ratelimit.Result{
		"table":     func() ratelimit.Result { return allow(t, l, r, "/sign-in/email") },
		"default":   func() ratelimit.Result { return allow(t, l, r, "/other") },
		"named":     func() ratelimit.Result { return allow(t, l, r, "/named") },
		"call site": func() ratelimit.Result { return allowRule(t, l, rule, r, "/own/route") },
	} {
		for range 200 {
			ask()
		}
		if allocs := testing.AllocsPerRun(500, func() { ask() }); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
