package ratelimit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/secondary"
)

// Limiter applies rules to requests. It is safe for concurrent use.
type Limiter struct {
	disabled bool
	headers  bool
	window   time.Duration
	max      int
	rules    []tableRule // the last matches everything
	clientIP ClientIP
	now      func() time.Time // nil: the storage's clock

	// memory is set if the counts are in this process. Otherwise they are in
	// storage, and fallback holds those of the times it does not answer.
	memory    *Memory
	storage   Storage
	fallback  *Memory
	breaker   *breaker
	ownMemory *Memory // what Close closes
}

// tableRule is a rule of the configuration, defaults filled in.
type tableRule struct {
	Rule
	pattern Pattern // zero: every path
	id      []byte
}

// New returns a Limiter, or an error that lists everything wrong with the
// configuration.
func New(c Config) (*Limiter, error) {
	if err := errors.Join(c.problems()...); err != nil {
		return nil, err
	}
	l := &Limiter{
		disabled: c.Disabled,
		headers:  c.Headers,
		window:   cmp.Or(c.Window, defaultWindow),
		max:      cmp.Or(c.Max, defaultMax),
		clientIP: c.ClientIP,
		now:      c.Now,
	}
	l.clientIP.TrustedProxies = slices.Clone(c.ClientIP.TrustedProxies)
	for _, rule := range c.Rules {
		l.rules = append(l.rules, l.tableRule(rule))
	}
	l.rules = append(l.rules, l.tableRule(Rule{}))
	l.keepCounts(c)
	return l, nil
}

func (l *Limiter) keepCounts(c Config) {
	if memory, ok := c.Storage.(*Memory); ok {
		l.memory = memory
		return
	}
	l.ownMemory = NewMemory(MemoryOptions{Now: c.Now})
	if c.Storage == nil {
		l.memory = l.ownMemory
		return
	}
	l.storage, l.fallback = c.Storage, l.ownMemory
	clock, logger := c.Now, c.Logger
	if clock == nil {
		clock = time.Now
	}
	if logger == nil {
		logger = slog.Default()
	}
	l.breaker = newBreaker(clock, logger)
}

// Close stops what the Limiter has started. It leaves the configured Storage
// alone. It returns nil.
func (l *Limiter) Close() error {
	if l.ownMemory == nil {
		return nil
	}
	return l.ownMemory.Close()
}

// Allow counts a request by the first rule of the configuration that matches
// its method and route, and says whether it may go on. The route is the
// pattern that the router matched, the same for all requests of one endpoint,
// and empty for those that matched none; a trailing slash makes no difference.
//
// An error means that the request could not be counted and must be refused,
// with 503: it wraps secondary.ErrUnavailable if the storage did not answer
// and the rule says Deny, and the context's error if that was cancelled. When
// the storage fails under another rule, there is no error and the count is
// this process's.
func (l *Limiter) Allow(ctx context.Context, r *http.Request, route string) (Result, error) {
	if l.disabled {
		return Result{Allowed: true}, nil
	}
	rule := l.find(r.Method, route)
	return l.apply(ctx, &rule.Rule, rule.id, r, route)
}

// AllowRule is Allow for a rule that is not in the configuration, such as one
// given to a route of the application itself. It applies if the rule's own
// Method and Path, if any, match as well, and shares no count with the rules
// of the configuration, nor with another rule on the route unless that has the
// same Method, Path, Window and Max. An invalid rule is an error; see
// [Rule.Validate].
func (l *Limiter) AllowRule(ctx context.Context, rule Rule, r *http.Request, route string) (Result, error) {
	if err := rule.Validate(); err != nil {
		return Result{}, fmt.Errorf("rate limit %q: %w", route, err)
	}
	if !rule.matchesMethod(r.Method) || rule.Path != "" && !patternMatches(rule.Path, route) {
		return Result{Allowed: true}, nil
	}
	rule = l.withDefaults(rule)
	var buf [64]byte
	id := append(buf[:0], "call "...)
	id = strconv.AppendInt(id, int64(rule.Max), 10)
	id = append(id, '/')
	id = strconv.AppendInt(id, rule.Window.Milliseconds(), 10)
	id = append(id, ' ')
	id = appendRuleID(id, rule)
	return l.apply(ctx, &rule, id, r, route)
}

// Rule returns the rule of the configuration that decides about a method and a
// route, with the defaults filled in, and false if requests there are not
// counted.
func (l *Limiter) Rule(method, route string) (Rule, bool) {
	rule := l.find(method, route).Rule
	return rule, !l.disabled && !rule.Disabled
}

// SetHeaders tells the client about a result, as the function of that name
// does; about an allowed one only if [Config].Headers is set.
func (l *Limiter) SetHeaders(h http.Header, result Result) {
	if !result.Allowed || l.headers {
		SetHeaders(h, result)
	}
}

func (l *Limiter) tableRule(rule Rule) tableRule {
	rule = l.withDefaults(rule)
	t := tableRule{Rule: rule, id: appendRuleID([]byte("rule "), rule)}
	if rule.Path != "" {
		// It was parsed before, without an error.
		t.pattern, _ = ParsePattern(rule.Path)
	}
	return t
}

func (l *Limiter) withDefaults(rule Rule) Rule {
	rule.Window = cmp.Or(rule.Window, l.window)
	rule.Max = cmp.Or(rule.Max, l.max)
	return rule
}

func (l *Limiter) find(method, route string) *tableRule {
	last := len(l.rules) - 1
	for i := range l.rules[:last] {
		rule := &l.rules[i]
		if rule.matchesMethod(method) && (rule.Path == "" || rule.pattern.Match(route)) {
			return rule
		}
	}
	return &l.rules[last]
}

func (r *Rule) matchesMethod(method string) bool {
	return r.Method == "" || r.Method == method || r.Method == http.MethodGet && method == http.MethodHead
}

func patternMatches(path, route string) bool {
	pattern, err := ParsePattern(path)
	return err == nil && pattern.Match(route)
}

func (l *Limiter) apply(ctx context.Context, rule *Rule, id []byte, r *http.Request, route string) (Result, error) {
	if rule.Decide != nil {
		decided := l.withDefaults(rule.Decide(r, *rule))
		if err := decided.Validate(); err != nil {
			return Result{}, fmt.Errorf("rate limit %q: decided rule: %w", route, err)
		}
		rule = &decided
	}
	if rule.Disabled {
		return Result{Allowed: true}, nil
	}
	var buf [256]byte
	key := append(buf[:0], id...)
	key = append(key, '|')
	key = appendPart(key, withoutTrailingSlash(route))
	key = append(key, '|')
	if rule.By != nil {
		key = appendHash(key, rule.By(r))
	} else {
		key = l.clientIP.appendMasked(key, l.clientIP.Addr(r))
	}
	return l.count(ctx, rule, key)
}

func (l *Limiter) count(ctx context.Context, rule *Rule, key []byte) (Result, error) {
	var now time.Time
	if l.now != nil {
		now = l.now()
	}
	if l.memory != nil {
		return l.memory.hitBytes(key, rule.Max, rule.Window, now), nil
	}
	// A caller who has gone already says nothing about the storage.
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("count request: %w", err)
	}
	if !l.breaker.ready() {
		return l.countHere(rule, key, now, secondary.ErrUnavailable)
	}
	result, err := l.storage.Hit(ctx, string(key), rule.Max, rule.Window, now)
	if err == nil {
		l.breaker.answered()
		if result.Allowed {
			// What this process lets through counts here too, so that the fallback
			// does not begin at nothing when the storage fails in between.
			l.fallback.hitBytes(key, rule.Max, rule.Window, now)
		}
		result.Limit, result.Window = rule.Max, rule.Window
		return result, nil
	}
	// A client that goes away says nothing about the storage, and must not be
	// able to make the others count elsewhere. A deadline that passed does.
	if canceled := ctx.Err(); errors.Is(canceled, context.Canceled) {
		return Result{}, fmt.Errorf("count request: %w", canceled)
	}
	if errors.Is(err, secondary.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		l.breaker.failed()
	}
	l.breaker.report(err)
	return l.countHere(rule, key, now, err)
}

// countHere answers in the storage's stead after it failed.
func (l *Limiter) countHere(rule *Rule, key []byte, now time.Time, failure error) (Result, error) {
	if !rule.Deny {
		return l.fallback.hitBytes(key, rule.Max, rule.Window, now), nil
	}
	if errors.Is(failure, secondary.ErrUnavailable) {
		return Result{}, fmt.Errorf("count request: %w", failure)
	}
	return Result{}, fmt.Errorf("count request: %w: %w", secondary.ErrUnavailable, failure)
}

func appendRuleID(b []byte, rule Rule) []byte {
	b = append(b, rule.Method...)
	b = append(b, ' ')
	return appendPart(b, rule.Path)
}

// appendPart appends a part of a key, hashed if it is long or could be taken
// for something else: for two parts or for a hash.
func appendPart(b []byte, s string) []byte {
	const longest = 100
	if len(s) > longest || strings.HasPrefix(s, "#") {
		return appendHash(b, s)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '|' || c >= 0x7f {
			return appendHash(b, s)
		}
	}
	return append(b, s...)
}

func appendHash(b []byte, s string) []byte {
	sum := sha256.Sum256([]byte(s))
	b = append(b, '#')
	return base64.RawURLEncoding.AppendEncode(b, sum[:])
}
