package redisstorage_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	redisstorage "github.com/ostiary/ostiary/secondary/redis"
	"github.com/ostiary/ostiary/secondary/secondarytest"
)

func TestMain(m *testing.M) {
	if os.Getenv(hitterEnv) != "" {
		os.Exit(runHitter())
	}
	goleak.VerifyTestMain(m)
}

// patient is a timeout for tests that are not about time: a busy machine must
// not fail them.
const patient = 20 * time.Second

func newClient(t testing.TB, change func(*redis.Options)) *redis.Client {
	t.Helper()
	opt, err := redis.ParseURL(testenv.Redis(t))
	mustDo(t, err)
	if change != nil {
		change(opt)
	}
	client := redis.NewClient(opt)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("close the client: %v", err)
		}
	})
	return client
}

// newPrefix returns a prefix, and checks when the test ends that every key
// under it has a time to live.
func newPrefix(t testing.TB, client redis.UniversalClient) string {
	t.Helper()
	prefix := testenv.Prefix(t)
	t.Cleanup(func() {
		ctx := context.Background()
		for _, key := range keysUnder(t, client, prefix) {
			// A key may go between the scan and the question: then it is -2.
			if ttl := client.PTTL(ctx, key).Val(); ttl == -1 {
				t.Errorf("the key %q has no time to live", key)
			}
			mustDo(t, client.Unlink(ctx, key).Err())
		}
	})
	return prefix
}

func keysUnder(t testing.TB, client redis.UniversalClient, prefix string) []string {
	t.Helper()
	var keys []string
	scan := func(ctx context.Context, node *redis.Client) error {
		iter := node.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for iter.Next(ctx) {
			keys = append(keys, iter.Val())
		}
		return iter.Err()
	}
	var err error
	switch c := client.(type) {
	case *redis.ClusterClient:
		for _, node := range masters(t, c) {
			err = errors.Join(err, scan(context.Background(), node))
		}
	case *redis.Client:
		err = scan(context.Background(), c)
	}
	mustDo(t, err)
	return keys
}

func newStorage(t testing.TB, client redis.UniversalClient, opts ...redisstorage.Option) *redisstorage.Storage {
	t.Helper()
	opts = append([]redisstorage.Option{redisstorage.WithPrefix(newPrefix(t, client))}, opts...)
	s := redisstorage.New(client, opts...)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func honouringContexts(opt *redis.Options) { opt.ContextTimeoutEnabled = true }

func subject(t *testing.T, client redis.UniversalClient) secondarytest.Subject {
	prefix := newPrefix(t, client)
	s := redisstorage.New(client, redisstorage.WithPrefix(prefix), redisstorage.WithTimeout(patient))
	t.Cleanup(func() { mustDo(t, s.Close()) })
	return secondarytest.Subject{
		Storage: s,
		TTL: func(t *testing.T, key string) time.Duration {
			t.Helper()
			ttl, err := client.PTTL(t.Context(), prefix+key).Result()
			mustDo(t, err)
			return ttl
		},
	}
}

func TestConforms(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*redis.Options){
		"client as it comes": nil,
		"client that honours contexts": func(opt *redis.Options) {
			opt.ContextTimeoutEnabled = true
			opt.Protocol = 2
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, change)
			secondarytest.Run(t, func(t *testing.T) secondarytest.Subject { return subject(t, client) })
		})
	}
}

func TestConformsWhenOpened(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t) + "?read_timeout=20s&write_timeout=20s&dial_timeout=20s"
	client := newClient(t, nil)
	secondarytest.Run(t, func(t *testing.T) secondarytest.Subject {
		s, err := redisstorage.Open(url,
			redisstorage.WithPrefix(newPrefix(t, client)), redisstorage.WithTimeout(patient))
		mustDo(t, err)
		t.Cleanup(func() { mustDo(t, s.Close()) })
		return secondarytest.Subject{Storage: s}
	})
}

func TestPrefixKeepsStoragesApart(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	one, two := newStorage(t, client), newStorage(t, client)
	mustDo(t, one.Set(t.Context(), "key", []byte("one"), time.Minute))
	if _, err := two.Get(t.Context(), "key"); !errors.Is(err, secondary.ErrNotFound) {
		t.Errorf("Get of another storage's key: %v, want ErrNotFound", err)
	}
}

func TestDefaultPrefix(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	key := testenv.Prefix(t)
	s := redisstorage.New(client, redisstorage.WithTimeout(patient))
	mustDo(t, s.Set(t.Context(), key, []byte("value"), time.Minute))
	if got, err := client.GetDel(t.Context(), "ostiary:"+key).Result(); err != nil || got != "value" {
		t.Errorf("the key below ostiary: = %q, %v; want the value", got, err)
	}
}

func TestTTLsAreRoundedUpToMilliseconds(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	prefix := newPrefix(t, client)
	s := redisstorage.New(client, redisstorage.WithPrefix(prefix), redisstorage.WithTimeout(patient))
	mustDo(t, s.Set(t.Context(), "key", nil, time.Hour+time.Nanosecond))
	before := time.Now()
	at, err := client.PExpireTime(t.Context(), prefix+"key").Result()
	mustDo(t, err)
	if at <= time.Duration(before.UnixNano()) || at > time.Duration(time.Now().UnixNano())+time.Hour+2*time.Millisecond {
		t.Errorf("the key expires at %s", at)
	}
}

// trips counts what a client sends.
type trips struct{ n atomic.Int64 }

func (h *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n.Add(1)
		return next(ctx, cmds)
	}
}

type call struct {
	name string
	make func(context.Context, *redisstorage.Storage) error
}

// calls is every method once, none of which fails on an empty storage in this
// order.
func calls() []call {
	until := time.Now().Add(time.Hour)
	return []call{
		{"Set", func(ctx context.Context, s *redisstorage.Storage) error {
			return s.Set(ctx, "secret-key", []byte("secret-value"), time.Hour)
		}},
		{"SetIfExists", func(ctx context.Context, s *redisstorage.Storage) error {
			_, err := s.SetIfExists(ctx, "secret-key", []byte("secret-value"), time.Hour)
			return err
		}},
		{"Get", func(ctx context.Context, s *redisstorage.Storage) error {
			_, err := s.Get(ctx, "secret-key")
			return err
		}},
		{"Take", func(ctx context.Context, s *redisstorage.Storage) error {
			_, err := s.Take(ctx, "secret-key")
			return err
		}},
		{"Increment", func(ctx context.Context, s *redisstorage.Storage) error {
			_, err := s.Increment(ctx, "secret-number", time.Hour)
			return err
		}},
		{"AddMember", func(ctx context.Context, s *redisstorage.Storage) error {
			return s.AddMember(ctx, "secret-set", "secret-member", until)
		}},
		{"RemoveMember", func(ctx context.Context, s *redisstorage.Storage) error {
			return s.RemoveMember(ctx, "secret-set", "secret-member", "secret-other")
		}},
		{"Members", func(ctx context.Context, s *redisstorage.Storage) error {
			_, err := s.Members(ctx, "secret-set")
			return err
		}},
		{"Delete", func(ctx context.Context, s *redisstorage.Storage) error {
			return s.Delete(ctx, "secret-key", "secret-number", "secret-set")
		}},
		{"Hit", func(ctx context.Context, s *redisstorage.Storage) error {
			_, err := s.Hit(ctx, "secret-client", 10, time.Minute, time.Time{})
			return err
		}},
		{"Ping", func(ctx context.Context, s *redisstorage.Storage) error { return s.Ping(ctx) }},
	}
}

func TestEveryMethodIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	s := newStorage(t, client, redisstorage.WithTimeout(patient))
	for _, c := range calls() { // Redis may not know the scripts yet
		mustDo(t, c.make(t.Context(), s))
	}
	var h trips
	client.AddHook(&h)
	for _, c := range calls() {
		before := h.n.Load()
		mustDo(t, c.make(t.Context(), s))
		if n := h.n.Load() - before; n != 1 {
			t.Errorf("%s makes %d round trips, want 1", c.name, n)
		}
	}
}

func TestIncrementGivesATTLToAKeyThatHasNone(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	prefix := newPrefix(t, client)
	s := redisstorage.New(client, redisstorage.WithPrefix(prefix), redisstorage.WithTimeout(patient))
	mustDo(t, client.Set(t.Context(), prefix+"number", "41", 0).Err())
	n, err := s.Increment(t.Context(), "number", time.Minute)
	if n != 42 || err != nil {
		t.Errorf("Increment = %d, %v; want 42, nil", n, err)
	}
	if ttl := client.PTTL(t.Context(), prefix+"number").Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("the number has %s to live, want a minute", ttl)
	}
}

func TestExpiredMembersLeaveRedis(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	prefix := newPrefix(t, client)
	s := redisstorage.New(client, redisstorage.WithPrefix(prefix), redisstorage.WithTimeout(patient))
	mustDo(t, s.AddMember(t.Context(), "set", "live", time.Now().Add(time.Hour)))
	mustDo(t, client.ZAdd(t.Context(), prefix+"set", redis.Z{Score: 1, Member: "expired"}).Err())
	mustDo(t, s.AddMember(t.Context(), "set", "other", time.Now().Add(time.Hour)))
	if n := client.ZCard(t.Context(), prefix+"set").Val(); n != 2 {
		t.Errorf("Redis holds %d members, want the 2 that live", n)
	}
}

func TestIncrementOfWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	s := newStorage(t, newClient(t, nil), redisstorage.WithTimeout(patient))
	for _, value := range []string{"text", "9223372036854775807"} {
		mustDo(t, s.Set(t.Context(), "key", []byte(value), time.Minute))
		if n, err := s.Increment(t.Context(), "key", time.Minute); n != 0 || !errors.Is(err, secondary.ErrInvalid) {
			t.Errorf("Increment of %q = %d, %v; want 0, ErrInvalid", value, n, err)
		}
	}
}

func TestAValueOfAnotherTypeIsUnavailable(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	prefix := newPrefix(t, client)
	s := redisstorage.New(client, redisstorage.WithPrefix(prefix), redisstorage.WithTimeout(patient))
	mustDo(t, client.HSet(t.Context(), prefix+"secret-key", "field", "secret-value").Err())
	mustDo(t, client.Expire(t.Context(), prefix+"secret-key", time.Minute).Err())
	for range 10 { // more than it takes to be left alone: Redis does answer
		_, err := s.Get(t.Context(), "secret-key")
		var e *redisstorage.Error
		if !errors.Is(err, secondary.ErrUnavailable) || !errors.As(err, &e) || e.Reason != "WRONGTYPE" {
			t.Fatalf("Get of a hash: %v, want unavailable because of WRONGTYPE", err)
		}
	}
	_, err := s.Members(t.Context(), "secret-key")
	if !errors.Is(err, secondary.ErrUnavailable) {
		t.Errorf("Members of a hash: %v, want ErrUnavailable", err)
	}
}

func TestCloseLeavesTheClientOfNewAlone(t *testing.T) {
	t.Parallel()
	client := newClient(t, nil)
	s := newStorage(t, client)
	mustDo(t, s.Close())
	mustDo(t, s.Close())
	mustDo(t, client.Ping(t.Context()).Err())
	wantUnavailable(t, s, redisstorage.ReasonClosed)
}

func TestCloseClosesTheClientOfOpen(t *testing.T) {
	t.Parallel()
	s, err := redisstorage.Open(testenv.Redis(t))
	mustDo(t, err)
	mustDo(t, s.Close())
	mustDo(t, s.Close())
	wantUnavailable(t, s, redisstorage.ReasonClosed)
}

func TestClosedClientIsUnavailable(t *testing.T) {
	t.Parallel()
	opt, err := redis.ParseURL(testenv.Redis(t))
	mustDo(t, err)
	client := redis.NewClient(opt)
	s := redisstorage.New(client)
	mustDo(t, client.Close())
	_, err = s.Get(t.Context(), "key")
	var e *redisstorage.Error
	if !errors.As(err, &e) || e.Reason != redisstorage.ReasonClosed {
		t.Errorf("Get on a closed client: %v, want unavailable because it is closed", err)
	}
}

func TestOpenRefusesWhatIsNoRedisURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "localhost:6379", "http://localhost:6379", "redis://user:hunter2/x@localhost:6379",
		"redis://user:hunter2@localhost:port", "redis://localhost:6379/hunter2", "redis://localhost?hunter2=1",
		"redis://user:hunter2%zz@localhost",
	} {
		s, err := redisstorage.Open(url)
		if s != nil || !errors.Is(err, secondary.ErrInvalid) {
			t.Errorf("Open(%q) = %v, %v; want ErrInvalid", url, s, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error of Open tells the password: %v", err)
		}
	}
}

func TestOpenConnectsOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	mustDo(t, err)
	mustDo(t, l.Close()) // nobody listens
	s, err := redisstorage.Open("redis://" + l.Addr().String())
	mustDo(t, err)
	defer func() { mustDo(t, s.Close()) }()
	if err := s.Ping(t.Context()); !errors.Is(err, secondary.ErrUnavailable) {
		t.Errorf("Ping of nobody: %v, want ErrUnavailable", err)
	}
}

// wantUnavailable makes every call.
func wantUnavailable(t *testing.T, s *redisstorage.Storage, reasons ...string) {
	t.Helper()
	for _, c := range calls() {
		checkUnavailable(t, c, c.make(t.Context(), s), reasons...)
	}
}

func checkUnavailable(t *testing.T, c call, err error, reasons ...string) {
	t.Helper()
	var e *redisstorage.Error
	if !errors.Is(err, secondary.ErrUnavailable) || !errors.As(err, &e) {
		t.Errorf("%s: %v, want ErrUnavailable", c.name, err)
		return
	}
	if !slices.Contains(reasons, e.Reason) {
		t.Errorf("%s: %v; want the reason to be one of %q", c.name, err, reasons)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error of %s tells a key or a value: %v", c.name, err)
	}
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// masters returns a client for each master of the cluster.
func masters(t testing.TB, c *redis.ClusterClient) []*redis.Client {
	t.Helper()
	found := make(chan *redis.Client, 16)
	mustDo(t, c.ForEachMaster(context.Background(), func(_ context.Context, node *redis.Client) error {
		found <- node
		return nil
	}))
	close(found)
	var nodes []*redis.Client
	for node := range found {
		nodes = append(nodes, node)
	}
	return nodes
}

func ExampleNew() {
	rdb := redis.NewClient(&redis.Options{
		Addr:                  "localhost:6379",
		ContextTimeoutEnabled: true,
		ReadTimeout:           200 * time.Millisecond,
		MaxRetries:            -1,
	})
	defer func() { _ = rdb.Close() }()

	var storage secondary.Storage = redisstorage.New(rdb, redisstorage.WithPrefix("shop:"))
	fmt.Println(storage.Close())
	// Output: <nil>
}

var _ ratelimit.Storage = (*redisstorage.Storage)(nil)
