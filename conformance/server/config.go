package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/store"
)

// config is what the environment says.
type config struct {
	// port is 0 for one that is free.
	port    string // PORT, 3999
	adapter string // ADAPTER, echo
	// baseURL is the origin of all instances, empty for the address listened on.
	baseURL  string   // BASE_URL
	authPath string   // AUTH_PATH, /api/auth
	secrets  []string // AUTH_SECRET: the first signs, all verify

	store     string       // STORE, memory
	secondary string       // SECONDARY, none
	naming    store.Naming // NAMING, default
	// poolMax is the most connections to the database, 0 for the store's default.
	poolMax int // POOL_MAX

	trustedProxies      []netip.Prefix // TRUSTED_PROXIES
	rateLimit           bool           // RL
	requireVerification bool           // REQUIRE_VERIFICATION
	disabledPaths       []string       // DISABLED_PATHS

	logLevel slog.Level // LOG_LEVEL, warn
}

// unserved are the variables that ask for what the library has not got, each
// with the value that asks for nothing. Those that only describe something, as
// OIDC_ISSUER does the provider, ask for nothing either.
var unserved = []struct{ name, off string }{
	{"STORE_SESSIONS_IN_DATABASE", "0"},
	{"COOKIE_CACHE", "0"},
	{"INTEROP", "0"},
}

// readConfig reads the environment and reports everything that is wrong with
// it at once.
func readConfig(getenv func(string) string) (config, error) {
	e := environment{getenv: getenv}
	for _, v := range unserved {
		if value := getenv(v.name); value != "" && value != v.off {
			// The value is left out: it may be a secret.
			e.problems = append(e.problems, fmt.Errorf("%s: the library cannot serve this yet: leave it unset", v.name))
		}
	}
	c := config{
		port:      e.text("PORT", "3999"),
		adapter:   e.oneOf("ADAPTER", "echo", "gin", "nethttp"),
		baseURL:   e.text("BASE_URL", ""),
		authPath:  e.text("AUTH_PATH", "/api/auth"),
		secrets:   e.list("AUTH_SECRET", "conformance-0123456789-abcdefghijklmnop-secret"),
		store:     e.text("STORE", "memory"),
		secondary: e.text("SECONDARY", "none"),

		rateLimit:           e.flag("RL"),
		requireVerification: e.flag("REQUIRE_VERIFICATION"),
		disabledPaths:       e.list("DISABLED_PATHS", ""),
	}
	if _, err := strconv.ParseUint(c.port, 10, 16); err != nil {
		e.refuse("PORT", c.port, "want a number from 0 to 65535")
	}
	if len(c.secrets) == 0 {
		e.problems = append(e.problems, errors.New("AUTH_SECRET: want one secret, or several with commas between them"))
	}
	e.served("STORE", c.store, "memory", "sqlite:", "postgres:", "postgresql:", "mysql:", "mariadb:")
	e.served("SECONDARY", c.secondary, "none", "memory", "redis:", "rediss:")
	if e.oneOf("NAMING", "default", "better-auth") == "better-auth" {
		c.naming = store.BetterAuth()
	}
	if text := getenv("POOL_MAX"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			e.refuse("POOL_MAX", text, "want a positive number")
		}
		c.poolMax = n
	}
	var err error
	if c.trustedProxies, err = ratelimit.ParseProxies(e.list("TRUSTED_PROXIES", "")); err != nil {
		e.problems = append(e.problems, fmt.Errorf("TRUSTED_PROXIES: %w", err))
	}
	if level := e.text("LOG_LEVEL", "warn"); c.logLevel.UnmarshalText([]byte(level)) != nil {
		e.refuse("LOG_LEVEL", level, "want debug, info, warn or error")
	}
	return c, errors.Join(e.problems...)
}

// environment reads variables and collects what is wrong with them.
type environment struct {
	getenv   func(string) string
	problems []error
}

func (e *environment) refuse(name, value, why string) {
	e.problems = append(e.problems, fmt.Errorf("%s=%s: %s", name, value, why))
}

func (e *environment) text(name, byDefault string) string {
	if v := e.getenv(name); v != "" {
		return v
	}
	return byDefault
}

func (e *environment) list(name, byDefault string) []string {
	var out []string
	for entry := range strings.SplitSeq(e.text(name, byDefault), ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			out = append(out, entry)
		}
	}
	return out
}

func (e *environment) flag(name string) bool {
	return e.oneOf(name, "0", "1") == "1"
}

// served refuses a storage that the library has not got. Those that end with a
// colon are the schemes of URLs.
func (e *environment) served(name, value string, known ...string) {
	scheme, _, isURL := strings.Cut(value, ":")
	if isURL {
		scheme += ":"
	}
	if !slices.Contains(known, scheme) {
		// The rest of a URL is left out: it may hold a password.
		e.refuse(name, scheme, "the library serves "+strings.Join(known, " "))
	}
}

// oneOf reads a variable that has a few values, the first by default.
func (e *environment) oneOf(name string, values ...string) string {
	v := e.text(name, values[0])
	if !slices.Contains(values, v) {
		e.refuse(name, v, "want "+strings.Join(values, " or "))
	}
	return v
}
