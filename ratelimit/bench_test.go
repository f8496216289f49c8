package ratelimit_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ratelimit"
)

const benchKey = "rule POST /sign-in/*|a|192.0.2.1" // 32 bytes

func BenchmarkMemory(b *testing.B) {
	ctx := context.Background()
	for name, window := range map[string]time.Duration{"allowed": time.Microsecond, "refused": time.Hour} {
		b.Run(name, func(b *testing.B) {
			m := newMemory(b, ratelimit.MemoryOptions{})
			b.ReportAllocs()
			for b.Loop() {
				_, _ = m.Hit(ctx, benchKey, 100, window, time.Time{})
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			m := newMemory(b, ratelimit.MemoryOptions{})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = m.Hit(ctx, benchKey, 100, window, time.Time{})
				}
			})
		})
	}
	b.Run("100000 keys", func(b *testing.B) {
		m := newMemory(b, ratelimit.MemoryOptions{})
		keys := make([]string, 100_000)
		for i := range keys {
			keys[i] = benchKey + strconv.Itoa(i)
			hit(b, m, keys[i], 100, time.Hour)
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = m.Hit(ctx, keys[i%len(keys)], 100, time.Hour, time.Time{})
			i += 7919
		}
	})
	b.Run("new key", func(b *testing.B) {
		m := newMemory(b, ratelimit.MemoryOptions{MaxKeys: 1 << 30})
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = m.Hit(ctx, strconv.Itoa(i), 100, time.Hour, time.Time{})
			i++
		}
	})
	b.Run("new key at the bound", func(b *testing.B) {
		m := newMemory(b, ratelimit.MemoryOptions{MaxKeys: 1})
		hit(b, m, "first", 100, time.Hour)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _ = m.Hit(ctx, strconv.Itoa(i), 100, time.Hour, time.Time{})
			i++
		}
	})
}

func BenchmarkLimiter(b *testing.B) {
	rules := []ratelimit.Rule{{Path: "/sign-in/email", Max: 5}, {Path: "/email-otp/*", Max: 5}}
	for i := range 20 {
		rules = append(rules, ratelimit.Rule{Path: "/plugin-" + strconv.Itoa(i) + "/*"})
	}
	l := newLimiter(b, ratelimit.Config{Rules: rules})
	r := get("192.0.2.1:1234")
	ctx := context.Background()
	b.Run("first of 22 rules", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = l.Allow(ctx, r, "/sign-in/email")
		}
	})
	b.Run("none of 22 rules", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = l.Allow(ctx, r, "/get-session")
		}
	})
	b.Run("call site", func(b *testing.B) {
		rule := ratelimit.PerMinute(5)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = l.AllowRule(ctx, rule, r, "/users/:id")
		}
	})
}

func BenchmarkSetHeaders(b *testing.B) {
	h := http.Header{}
	result := ratelimit.Result{Limit: 100, Window: time.Minute, Reset: 5 * time.Second, RetryAfter: 5 * time.Second}
	b.ReportAllocs()
	for b.Loop() {
		clear(h)
		ratelimit.SetHeaders(h, result)
	}
}
