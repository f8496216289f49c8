package ratelimit

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

const (
	defaultWindow = 10 * time.Second
	defaultMax    = 100

	// An exact count keeps each hit, and instants are nanoseconds in 64 bits.
	maxMax    = 1_000_000
	maxWindow = 366 * 24 * time.Hour
)

// Config configures a [Limiter]. The zero value limits every route to 100
// requests in 10 seconds for each client's address, counted in this process.
type Config struct {
	// Disabled lets every request through that [Limiter.Allow] is asked about.
	// Rules at a call site ([Limiter.AllowRule]) stay in force.
	Disabled bool
	// Window and Max are the limit where no rule matches, and what a rule
	// takes that leaves them out. Default 10 seconds and 100.
	Window time.Duration
	Max    int
	// Rules are tried in order; the first that matches decides alone. Further
	// ones, of plugins for instance, are appended behind.
	Rules []Rule
	// Storage keeps the counts. Nil is a [Memory] of the Limiter's own.
	Storage Storage
	// ClientIP finds the client's address. The zero value believes no header.
	ClientIP ClientIP
	// Headers has [Limiter.SetHeaders] send the RateLimit fields on allowed
	// answers too.
	Headers bool
	// Now is the clock. Nil is the storage's own.
	Now func() time.Time
	// Logger gets a line when the storage fails, at most every 30 seconds, and
	// one when it is back. Nil is slog.Default().
	Logger *slog.Logger
}

func (c Config) problems() []error {
	const field = "ratelimit.Config"
	problems := limitProblems(field, c.Window, c.Max)
	for i, rule := range c.Rules {
		problems = append(problems, rule.problems(fmt.Sprintf("%s.Rules[%d]", field, i))...)
	}
	return append(problems, c.ClientIP.problems(field+".ClientIP")...)
}

// Validate reports everything that is wrong with the rule, nil if nothing is.
// [New] and [Limiter.AllowRule] call it.
func (r Rule) Validate() error {
	return errors.Join(r.problems("ratelimit.Rule")...)
}

func (r Rule) problems(field string) []error {
	problems := limitProblems(field, r.Window, r.Max)
	if r.Method != "" && (!isToken(r.Method) || r.Method != strings.ToUpper(r.Method)) {
		problems = append(problems, fmt.Errorf("%s.Method: %q is not a method: write one in upper case, or none for all", field, r.Method))
	}
	if r.Path != "" {
		if err := checkPattern(r.Path); err != nil {
			problems = append(problems, fmt.Errorf("%s.Path: %q: %w", field, r.Path, err))
		}
	}
	return problems
}

func limitProblems(field string, window time.Duration, limit int) []error {
	var problems []error
	switch {
	case window < 0:
		problems = append(problems, fmt.Errorf("%s.Window: %v is negative: use a positive duration, or 0 for the default", field, window))
	case window%time.Millisecond != 0:
		problems = append(problems, fmt.Errorf("%s.Window: %v is not in whole milliseconds: round it, or give its unit (10*time.Second)", field, window))
	case window > maxWindow:
		problems = append(problems, fmt.Errorf("%s.Window: %v is longer than %v: use a shorter one", field, window, maxWindow))
	}
	switch {
	case limit < 0:
		problems = append(problems, fmt.Errorf("%s.Max: %d is negative: use a positive number, 0 for the default, or Disabled for no limit", field, limit))
	case limit > maxMax:
		problems = append(problems, fmt.Errorf("%s.Max: %d is more than %d: use a smaller one, or Disabled for no limit", field, limit, maxMax))
	}
	return problems
}
