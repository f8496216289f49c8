// Package redisstorage keeps what is short-lived in Redis: it is a
// [secondary.Storage] and a [ratelimit.Storage] on go-redis, for a single
// server, Sentinel and Cluster alike.
//
// Hand in the client that the application has, or open one from a URL:
//
//	storage := redisstorage.New(rdb)
//	storage, err := redisstorage.Open("redis://localhost:6379/0")
//
// It needs Redis 6.2 or later, or a server that speaks like it. Where sessions
// live only in Redis, set its maxmemory-policy to noeviction: any other one
// signs users out when memory runs short.
//
// The one thing to know: no call waits long. Each is one round trip, and
// whatever Redis or the client does, it returns within the timeout (300 ms by
// default, see [WithTimeout]). A server that has not answered several calls
// running is left alone, but for one call a second, until it answers again;
// meanwhile calls fail at once. The process needs no restart for that.
package redisstorage

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
)

const (
	defaultPrefix  = "ostiary:"
	defaultTimeout = 300 * time.Millisecond
)

// Storage is a secondary storage, and a storage of rate limits, in Redis. Make
// one with [New] or [Open]. It is safe for concurrent use.
//
// Values are strings under the prefix and their key, sets are sorted sets of
// members by the millisecond they expire, numbers are decimal text. No key is
// ever without a time to live. Times to live have milliseconds; a fraction
// counts as one more. Sets expire by the clock of Redis.
//
// An error that wraps [secondary.ErrUnavailable] is an [*Error] that tells
// why. What cannot be read, such as a value of another type that somebody else
// has put under the key, is unavailable too. On Redis Cluster, Delete is
// atomic for each key, not for all together.
type Storage struct {
	client  redis.UniversalClient
	prefix  string
	budgets budgets

	// multiKey tells that one command may name keys of different slots.
	multiKey bool
	// slots bounds the calls in flight on a client that cannot be told to give
	// up; nil when the client honours contexts.
	slots chan struct{}

	breaker breaker
	closed  atomic.Bool
	owned   bool
}

var (
	_ secondary.Storage = (*Storage)(nil)
	_ ratelimit.Storage = (*Storage)(nil)
)

// Option adjusts a [Storage].
type Option func(*Storage)

// WithPrefix sets what all keys start with, "ostiary:" by default. Two
// applications on one Redis database need two prefixes. It may be empty.
func WithPrefix(prefix string) Option {
	return func(s *Storage) { s.prefix = prefix }
}

// WithTimeout sets how long a call may take, connecting, waiting for a
// connection and retries of the client included; 300 ms by default, which 0 or
// less stands for too. A caller's context may end it sooner.
func WithTimeout(d time.Duration) Option {
	return func(s *Storage) {
		if d > 0 {
			s.budgets.length = d
		}
	}
}

// New returns a storage on the application's client. The client stays the
// application's: Close does not close it.
//
// Any client will do, however it is configured. The best one has
// ContextTimeoutEnabled set and short time-outs: as go-redis comes, a client
// waits five seconds for a server that hangs, whatever the context says, and
// each call then occupies a goroutine and a connection that long, although its
// caller has had an answer. There are never more than 512 such goroutines.
//
// Commands that change something are sent once, even if the client is set to
// retry: a second try of what had worked would give a wrong answer.
func New(client redis.UniversalClient, opts ...Option) *Storage {
	s := &Storage{
		client:  client,
		prefix:  defaultPrefix,
		budgets: budgets{length: defaultTimeout},
		breaker: breaker{start: time.Now()},
	}
	for _, opt := range opts {
		opt(s)
	}
	honoursContext := false
	switch c := client.(type) {
	case *redis.Client:
		honoursContext = c.Options().ContextTimeoutEnabled
		s.multiKey = true
	case *redis.ClusterClient:
		honoursContext = c.Options().ContextTimeoutEnabled
	case *redis.Ring:
		honoursContext = c.Options().ContextTimeoutEnabled
	}
	if !honoursContext {
		s.slots = make(chan struct{}, maxDetached)
	}
	return s
}

// Open returns a storage on a client of its own, which Close closes:
//
//	redis://user:password@host:6379/0
//	rediss://… for TLS
//	unix://user:password@/path/to/redis.sock?db=0
//
// The client honours contexts, waits 300 ms for a connection and 200 ms for an
// answer, and never retries. Query parameters of go-redis such as
// read_timeout, dial_timeout, max_retries or pool_size change that. For
// Sentinel and Cluster make the client yourself and call [New].
//
// Open does not connect: see [Storage.Ping]. A URL that it cannot read is
// [secondary.ErrInvalid]; the error does not repeat it, as it may hold a
// password.
func Open(url string, opts ...Option) (*Storage, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("open Redis: %w: want a URL like redis://user:password@host:6379/0, "+
			"special characters in the password percent-encoded", secondary.ErrInvalid)
	}
	options.ContextTimeoutEnabled = true
	options.DialerRetries = 1
	options.DialTimeout = orDefault(options.DialTimeout, 300*time.Millisecond)
	options.ReadTimeout = orDefault(options.ReadTimeout, 200*time.Millisecond)
	options.WriteTimeout = orDefault(options.WriteTimeout, 200*time.Millisecond)
	options.MaxRetries = orDefault(options.MaxRetries, -1)
	s := New(redis.NewClient(options), opts...)
	s.owned = true
	return s, nil
}

// orDefault is v, or what stands for the value not given.
func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Get implements [secondary.Storage].
func (s *Storage) Get(ctx context.Context, key string) ([]byte, error) {
	cmd := redis.NewStringCmd(ctx, "get", s.prefix+key)
	if err := s.run(ctx, "get", &query{cmd}); err != nil {
		return nil, err
	}
	return cmd.Bytes()
}

// Set implements [secondary.Storage].
func (s *Storage) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	const op = "set"
	ms, err := milliseconds(op, ttl)
	if err != nil {
		return err
	}
	cmd := redis.NewStatusCmd(ctx, "set", s.prefix+key, s.sendable(value), "px", ms)
	return s.run(ctx, op, &change{cmd})
}

// SetIfExists implements [secondary.Storage].
func (s *Storage) SetIfExists(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	const op = "set if exists"
	ms, err := milliseconds(op, ttl)
	if err != nil {
		return false, err
	}
	cmd := redis.NewBoolCmd(ctx, "set", s.prefix+key, s.sendable(value), "px", ms, "xx")
	if err := s.run(ctx, op, &change{cmd}); err != nil {
		return false, err
	}
	return cmd.Val(), nil
}

// Delete implements [secondary.Storage].
func (s *Storage) Delete(ctx context.Context, keys ...string) error {
	const op = "delete"
	switch {
	case len(keys) == 0:
		return contextError(ctx, op)
	case s.multiKey || len(keys) == 1:
		return s.run(ctx, op, &change{s.unlink(ctx, keys...)})
	}
	cmds := make(changes, 0, len(keys))
	for _, key := range keys {
		cmds = append(cmds, &change{s.unlink(ctx, key)})
	}
	return s.run(ctx, op, cmds)
}

func (s *Storage) unlink(ctx context.Context, keys ...string) redis.Cmder {
	args := make([]any, 0, 1+len(keys))
	args = append(args, "unlink")
	for _, key := range keys {
		args = append(args, s.prefix+key)
	}
	return redis.NewIntCmd(ctx, args...)
}

// Take implements [secondary.Storage].
func (s *Storage) Take(ctx context.Context, key string) ([]byte, error) {
	cmd := redis.NewStringCmd(ctx, "getdel", s.prefix+key)
	if err := s.run(ctx, "take", &change{cmd}); err != nil {
		return nil, err
	}
	return cmd.Bytes()
}

// incrementScript gives a time to live to any key that has none, whoever left
// it like that.
var incrementScript = newScript(`
local n = redis.call('INCR', KEYS[1])
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return n
`)

// Increment implements [secondary.Storage]. A value that is not a number, or
// cannot grow, is [secondary.ErrInvalid].
func (s *Storage) Increment(ctx context.Context, key string, ttl time.Duration) (int64, error) {
	const op = "increment"
	ms, err := milliseconds(op, ttl)
	if err != nil {
		return 0, err
	}
	cmd, err := eval(ctx, s, op, redis.NewIntCmd, incrementScript, s.prefix+key, ms)
	if err != nil {
		return 0, err
	}
	return cmd.Val(), nil
}

// Ping implements [secondary.Storage]. It asks Redis even while other calls
// fail at once because Redis has not answered, and ends that if it succeeds.
func (s *Storage) Ping(ctx context.Context) error {
	const op = "ping"
	if err := s.ready(ctx, op); err != nil {
		return err
	}
	return s.attempt(ctx, op, &query{redis.NewStatusCmd(ctx, "ping")})
}

// Close closes the client that [Open] made, not one that [New] was given.
// After it, every call returns [secondary.ErrUnavailable]. Closing again does
// nothing.
func (s *Storage) Close() error {
	if s.closed.Swap(true) || !s.owned {
		return nil
	}
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close Redis client: %w", err)
	}
	return nil
}

// sendable is a value for a command. A command can outlive the call that sent
// it where the client does not honour contexts, and the value is the caller's.
func (s *Storage) sendable(value []byte) []byte {
	if s.slots == nil {
		return value
	}
	return bytes.Clone(value)
}

// milliseconds is the time to live as Redis takes it: never 0, which Redis
// refuses or reads as for ever.
func milliseconds(op string, ttl time.Duration) (int64, error) {
	if ttl <= 0 {
		return 0, fmt.Errorf("redis: %s: time to live %s: %w", op, ttl, secondary.ErrInvalid)
	}
	return int64((ttl-1)/time.Millisecond) + 1, nil
}
