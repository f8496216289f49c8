package conformance_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/ostiary/ostiary/internal/testenv"
	redisstorage "github.com/ostiary/ostiary/secondary/redis"
	bunstore "github.com/ostiary/ostiary/store/bun"
	"github.com/ostiary/ostiary/store/memory"
)

// statements counts what pgx sends to PostgreSQL.
type statements struct{ queries, prepares atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.queries.Add(1)
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	s.prepares.Add(1)
	return ctx
}

func (*statements) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

func TestASessionCheckIsOneStatement(t *testing.T) {
	t.Parallel()
	cfg, err := pgx.ParseConfig(testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	count := &statements{}
	cfg.Tracer = count
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	h := application(newAuth(t, config(bunstore.New(bun.NewDB(db, pgdialect.New())), nil)))
	b := signUp(t, h, "a@b.com")
	b.Get("/me").Want(200)

	count.queries.Store(0)
	count.prepares.Store(0)
	for range 10 {
		b.Get("/me").Want(200)
		b.Get("/api/auth/get-session").Want(200)
	}
	if q, p := count.queries.Load(), count.prepares.Load(); q != 20 || p != 0 {
		t.Errorf("20 checks took %d statements and %d preparations, want 20 and 0", q, p)
	}
}

// commands counts what go-redis sends.
type commands struct{ n atomic.Int64 }

func (c *commands) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmds)
	}
}

func TestASessionCheckIsOneRedisCommand(t *testing.T) {
	t.Parallel()
	address, prefix := testenv.Redis(t), testenv.Prefix(t)
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	kv := redisstorage.New(client, redisstorage.WithPrefix(prefix))
	t.Cleanup(func() { _ = kv.Close() })
	h := application(newAuth(t, config(memory.New(), kv)))
	b := signUp(t, h, "a@b.com")

	count := &commands{}
	client.AddHook(count)
	for range 10 {
		b.Get("/me").Want(200)
	}
	if n := count.n.Load(); n != 10 {
		t.Errorf("10 checks took %d commands", n)
	}
	wantTTLs(t, address, prefix)
}
