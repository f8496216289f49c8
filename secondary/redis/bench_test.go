package redisstorage_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func BenchmarkGoRedisGet(b *testing.B) {
	client := newClient(b, honouringContexts)
	key := newPrefix(b, client) + "key"
	mustDo(b, client.Set(b.Context(), key, make([]byte, 512), time.Hour).Err())
	benchmark(b, func(ctx context.Context) error { return client.Get(ctx, key).Err() })
}

func BenchmarkGoRedisIncr(b *testing.B) {
	client := newClient(b, honouringContexts)
	key := newPrefix(b, client) + "key"
	mustDo(b, client.Set(b.Context(), key, 1, time.Hour).Err())
	benchmark(b, func(ctx context.Context) error { return client.Incr(ctx, key).Err() })
}

func BenchmarkGet(b *testing.B) {
	for name, change := range map[string]func(*redis.Options){"as-it-comes": nil, "honouring-contexts": honouringContexts} {
		b.Run(name, func(b *testing.B) {
			s := newStorage(b, newClient(b, change))
			mustDo(b, s.Set(b.Context(), "key", make([]byte, 512), time.Hour))
			benchmark(b, func(ctx context.Context) error {
				_, err := s.Get(ctx, "key")
				return err
			})
		})
	}
}

func BenchmarkHit(b *testing.B) {
	for name, limit := range map[string]int{"allowed": 1 << 30, "refused": 100} {
		b.Run(name, func(b *testing.B) {
			s := newStorage(b, newClient(b, honouringContexts))
			benchmark(b, func(ctx context.Context) error {
				_, err := s.Hit(ctx, "client", limit, time.Minute, time.Time{})
				return err
			})
		})
	}
}

// benchmark measures 64 callers on whatever processors there are.
func benchmark(b *testing.B, call func(context.Context) error) {
	b.Helper()
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(context.Background()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
