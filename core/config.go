package core

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/internal/password"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store"
)

// Config is everything an [Auth] is made from. Secret, BaseURL and Store are
// needed; the zero value of every other field is a secure default.
type Config struct {
	// Secret signs cookies. At least 32 bytes, random, the same on every
	// instance, from outside the source code: `openssl rand -base64 32`.
	Secret string
	// OldSecrets are former values of Secret. What they signed stays valid; new
	// signatures use Secret.
	OldSecrets []string
	// BaseURL is the public origin of the application, such as
	// "https://example.com". With a path, that path is the base path. Cookies
	// are Secure when it is https.
	BaseURL string
	// BasePath is where the endpoints are mounted when BaseURL has no path.
	// Default "/api/auth".
	BasePath string
	// TrustedOrigins are further origins, besides BaseURL's, from which browsers
	// may send requests and to which redirects may lead: "https://app.example.com",
	// "https://*.example.com", "myapp://".
	TrustedOrigins []string

	// TrustedOriginsFor returns further trusted origins for one request, for
	// tenants with domains of their own. It is asked for each request whose
	// origin or redirect target is nothing that TrustedOrigins has; what it
	// returns counts for that request only. Entries that are no origin are
	// ignored.
	TrustedOriginsFor func(*http.Request) []string

	// Store is the primary database.
	Store store.Store
	// Secondary keeps sessions and one-time values when given; they live in
	// Store otherwise. A storage that can count, as Redis can, also keeps the
	// counts of rate limits.
	Secondary secondary.Storage
	// Naming names tables and columns; the zero value is [store.SnakePlural].
	Naming store.Naming
	// IDs is how new rows get their ids; the zero value is [store.RandomIDs].
	IDs store.IDs
	// UserFields, SessionFields, AccountFields and VerificationFields are
	// additional fields of these tables.
	UserFields         []*store.Field
	SessionFields      []*store.Field
	AccountFields      []*store.Field
	VerificationFields []*store.Field
	// DatabaseHooks run around changes of rows.
	DatabaseHooks []DatabaseHook
	// Upkeep deletes what has expired.
	Upkeep Upkeep

	EmailPassword EmailPassword
	Session       SessionConfig
	// CookiePrefix starts the name of every cookie. Default "better-auth", which
	// front-end middleware looks for.
	CookiePrefix string
	// RateLimit rules apply to the endpoints, ahead of the plugins' and the
	// built-in ones.
	RateLimit ratelimit.Config
	// DisabledPaths are endpoints that answer 404, such as "/sign-up/email".
	DisabledPaths []string
	// ErrorURL is where /error redirects to. Empty: a page of ours.
	ErrorURL string
	// MaxBodyBytes bounds a request body. Default 1 MiB.
	MaxBodyBytes int64
	// StoreTimeout bounds every call of Store, SecondaryTimeout every call of
	// Secondary, beneath what the request's context allows. Defaults 2 s and 1 s.
	StoreTimeout     time.Duration
	SecondaryTimeout time.Duration

	Plugins []Plugin
	// Logger gets what operators should know. Default slog.Default().
	Logger *slog.Logger
	// Now and Rand are the clock and the source of randomness, for tests; both
	// must be safe for concurrent use. Defaults time.Now and crypto/rand.
	Now  func() time.Time
	Rand io.Reader
}

// EmailPassword configures sign-up and sign-in with e-mail and password.
type EmailPassword struct {
	// Enabled switches them on.
	Enabled bool
	// DisableSignUp lets only existing users in.
	DisableSignUp bool
	// DisableAutoSignIn answers a sign-up without a session. The answer is then
	// the same whether the e-mail was taken or not.
	DisableAutoSignIn bool
	// RequireVerification refuses sign-in until the e-mail is verified. It
	// implies DisableAutoSignIn.
	RequireVerification bool
	// MinLength and MaxLength bound a password, in UTF-16 code units as
	// JavaScript counts. Defaults 8 and 128.
	MinLength, MaxLength int
	// Argon2id are the parameters of new hashes. Zero: 19 MiB, 2 passes, 1
	// thread, the OWASP minimum. Weaker ones are refused.
	Argon2id Argon2id
	// HashConcurrency is how many passwords are hashed at once; more wait, and
	// are answered 503 when that takes too long. Default: one a CPU.
	HashConcurrency int
}

// Argon2id are parameters of the password hash (RFC 9106).
type Argon2id struct {
	// Memory in KiB.
	Memory uint32
	// Time is the number of passes.
	Time uint32
	// Threads is the degree of parallelism.
	Threads uint8
}

// SessionConfig says how long sessions live.
type SessionConfig struct {
	// ExpiresIn is a session's life since it was last extended. Default 7 days.
	ExpiresIn time.Duration
	// UpdateAge is how old the last extension must be before a use extends the
	// session again. Default 1 day, or half of a shorter ExpiresIn; negative
	// extends at every use.
	UpdateAge time.Duration
	// FreshAge is how long after sign-in a session counts as fresh. Default 1
	// day; negative: for ever.
	FreshAge time.Duration
}

// additionalFields are the configuration's fields of the core tables.
func (c Config) additionalFields() []store.Table {
	return []store.Table{
		{Name: TableUser, Fields: c.UserFields},
		{Name: TableSession, Fields: c.SessionFields},
		{Name: TableAccount, Fields: c.AccountFields},
		{Name: TableVerification, Fields: c.VerificationFields},
	}
}

// bodyMembers are the members of sign-up's body that are no fields of the user.
var bodyMembers = []string{"password", "callbackURL", "rememberMe"}

// checkBodyMembers reports additional fields that no sign-up could set.
func checkBodyMembers(user *store.Table, p *problems) {
	for _, name := range bodyMembers {
		if user.Field(name) != nil {
			p.addf("UserFields, Plugins: a field of the user is named %q, which is what sign-up takes under that name; choose another", name)
		}
	}
}

const (
	defaultBasePath = "/api/auth"
	minSecretBytes  = 32
	// maxExpiresIn is the longest life that browsers grant a cookie (RFC 6265bis
	// section 5.5).
	maxExpiresIn = 400 * 24 * time.Hour
	// unrememberedLife is how long a session lives at most whose user asked not
	// to be remembered.
	unrememberedLife = 24 * time.Hour
)

// ConfigError lists everything that is wrong with a [Config].
type ConfigError struct {
	Problems []error
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString("ostiary: the configuration has problems:")
	for _, p := range e.Problems {
		b.WriteString("\n  " + strings.ReplaceAll(p.Error(), "\n", "\n  "))
	}
	return b.String()
}

// Unwrap returns the single problems.
func (e *ConfigError) Unwrap() []error { return e.Problems }

// problems collects what is wrong, each with the field's name and the way to
// mend it.
type problems []error

func (p *problems) addf(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// withDefaults returns the configuration with every default filled in.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Session.ExpiresIn, 7*24*time.Hour)
	def(&c.Session.UpdateAge, min(24*time.Hour, c.Session.ExpiresIn/2))
	def(&c.Session.FreshAge, 24*time.Hour)
	def(&c.StoreTimeout, 2*time.Second)
	def(&c.Upkeep.Interval, time.Hour)
	def(&c.SecondaryTimeout, time.Second)
	if c.EmailPassword.MinLength == 0 {
		c.EmailPassword.MinLength = 8
	}
	if c.EmailPassword.MaxLength == 0 {
		c.EmailPassword.MaxLength = 128
	}
	if c.CookiePrefix == "" {
		c.CookiePrefix = "better-auth"
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 1 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c
}

// check reports what is wrong with the plain values of the configuration. What
// other packages compile (schema, limits, hash parameters) reports for itself.
func (c Config) check(p *problems) {
	for i, s := range append([]string{c.Secret}, c.OldSecrets...) {
		name := "Secret"
		if i > 0 {
			name = fmt.Sprintf("OldSecrets[%d]", i-1)
		}
		switch {
		case s == "":
			p.addf("%s: is empty; generate one with `openssl rand -base64 32` and pass it through the environment", name)
		case len(s) < minSecretBytes:
			p.addf("%s: is %d bytes long; use at least %d", name, len(s), minSecretBytes)
		case isPlaceholder(s):
			p.addf("%s: is an example value; generate one with `openssl rand -base64 32`", name)
		}
	}
	if c.Store == nil {
		p.addf("Store: is nil; pass bunstore.New(db), or memory.New() to try things out")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"Session.ExpiresIn", c.Session.ExpiresIn},
		{"StoreTimeout", c.StoreTimeout},
		{"Upkeep.Interval", c.Upkeep.Interval},
		{"SecondaryTimeout", c.SecondaryTimeout},
	} {
		if d.value < 0 {
			p.addf("%s: is %v; use a positive duration, or 0 for the default", d.name, d.value)
		}
	}
	if c.Session.ExpiresIn > maxExpiresIn {
		p.addf("Session.ExpiresIn: is %v; browsers keep no cookie for more than %v", c.Session.ExpiresIn, maxExpiresIn)
	}
	if c.Session.UpdateAge > c.Session.ExpiresIn {
		p.addf("Session.UpdateAge: is %v, more than ExpiresIn (%v), so that no session would ever be extended", c.Session.UpdateAge, c.Session.ExpiresIn)
	}
	ep := c.EmailPassword
	if ep.MinLength < 1 || ep.MaxLength < ep.MinLength || ep.MaxLength > 4096 {
		p.addf("EmailPassword: MinLength %d and MaxLength %d must be 1 ≤ min ≤ max ≤ 4096", ep.MinLength, ep.MaxLength)
	}
	if ep.HashConcurrency < 0 {
		p.addf("EmailPassword.HashConcurrency: is %d; use a positive number, or 0 for one a CPU", ep.HashConcurrency)
	}
	if c.MaxBodyBytes < 0 {
		p.addf("MaxBodyBytes: is %d; use a positive number of bytes, or 0 for 1 MiB", c.MaxBodyBytes)
	}
	if !validCookieName(c.CookiePrefix) {
		p.addf("CookiePrefix: %q cannot be part of a cookie's name; use letters, digits, - and _", c.CookiePrefix)
	}
	for i, path := range c.DisabledPaths {
		if !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
			p.addf("DisabledPaths[%d]: %q must start with / and not end with it, such as \"/sign-up/email\"", i, path)
		}
	}
	if c.ErrorURL != "" {
		if _, err := url.Parse(c.ErrorURL); err != nil {
			p.addf("ErrorURL: %v", err)
		}
	}
	for i, plugin := range c.Plugins {
		if plugin == nil {
			p.addf("Plugins[%d]: is nil", i)
		}
	}
}

// baseURL takes BaseURL and BasePath apart into the origin and the base path.
func (c Config) baseURL(p *problems) (origin, path string) {
	if c.BaseURL == "" {
		p.addf("BaseURL: is empty; use the public origin, such as \"https://example.com\" or \"http://localhost:8080\"")
		return "", ""
	}
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil:
		p.addf("BaseURL: %v", err)
		return "", ""
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		p.addf("BaseURL: %q must start with http:// or https:// and name a host", c.BaseURL)
	case strings.Contains(u.Host, "*"):
		p.addf("BaseURL: %q must name one host", c.BaseURL)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		p.addf("BaseURL: %q must have no user, query or fragment", c.BaseURL)
	}
	path = strings.TrimRight(u.Path, "/")
	if path == "" {
		path = strings.TrimRight(c.BasePath, "/")
		if c.BasePath == "" {
			path = defaultBasePath
		}
	} else if c.BasePath != "" && strings.TrimRight(c.BasePath, "/") != path {
		p.addf("BasePath: is %q, but BaseURL has the path %q already; set one of them", c.BasePath, path)
	}
	if path != "" && (!strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.ContainsAny(path, ":*")) {
		p.addf("BasePath: %q must start with / and hold no //, : or *", path)
	}
	return strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Host), path
}

func isPlaceholder(s string) bool {
	l := strings.ToLower(s)
	return slices.Contains([]string{
		"better-auth-secret-12345678901234567890", "better-auth-secret-123456789012345",
	}, l) || strings.Contains(l, "change-me") || strings.Contains(l, "changeme") || strings.Count(l, l[:1]) == len(l)
}

func validCookieName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

func (a Argon2id) params() password.Params {
	return password.Params{Memory: a.Memory, Time: a.Time, Threads: a.Threads}
}
