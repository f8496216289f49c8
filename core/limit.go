package core

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/ostiary/ostiary/ratelimit"
)

// builtInRules protect what is worth guessing at.
func builtInRules() []ratelimit.Rule {
	var rules []ratelimit.Rule
	for _, path := range []string{"/sign-in/**", "/sign-up/**", "/change-password/**", "/change-email/**"} {
		rules = append(rules, ratelimit.Rule{Path: path, Window: 10 * time.Second, Max: 3})
	}
	for _, path := range []string{"/request-password-reset", "/send-verification-email", "/forget-password/**"} {
		rules = append(rules, ratelimit.Rule{Path: path, Window: time.Minute, Max: 3})
	}
	return rules
}

// newLimiter puts the rules of the configuration before those of plugins and
// those before the built-in ones, and picks the storage of the counts.
func newLimiter(cfg Config, plugins []ratelimit.Rule) (*ratelimit.Limiter, error) {
	c := cfg.RateLimit
	c.Rules = slices.Concat(c.Rules, plugins, builtInRules())
	if c.Storage == nil {
		c.Storage, _ = cfg.Secondary.(ratelimit.Storage)
	}
	if c.Logger == nil {
		c.Logger = cfg.Logger
	}
	return ratelimit.New(c)
}

// limited sets the headers that tell a client about its limit and returns the
// refusal, if it is one.
func (a *Auth) limited(h http.Header, res ratelimit.Result) error {
	a.limiter.SetHeaders(h, res)
	if res.Allowed {
		return nil
	}
	refusal := *ErrTooManyRequests
	refusal.RetryAfter = res.RetryAfter
	return &refusal
}

// Limit counts a request of the application against a rule, for the given
// route pattern. The rule's own Method and Path are ignored: the place where it
// is used says both. It returns nil, or [ErrTooManyRequests], or an error that
// says that the counts cannot be reached. Headers about the limit are set on
// h. Rate-limit middleware of every framework is this call.
func (a *Auth) Limit(ctx context.Context, h http.Header, rule ratelimit.Rule, r *http.Request, route string) error {
	rule.Method, rule.Path = "", ""
	res, err := a.limiter.AllowRule(ctx, rule, r, route)
	if err != nil {
		return err
	}
	return a.limited(h, res)
}
