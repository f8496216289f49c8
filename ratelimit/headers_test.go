package ratelimit_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ostiary/ostiary/ratelimit"
)

func TestSetHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		result ratelimit.Result
		want   map[string]string
	}{
		{"no rule", ratelimit.Result{Allowed: true}, nil},
		{
			"allowed",
			ratelimit.Result{Allowed: true, Limit: 100, Window: 10 * time.Second, Remaining: 99, Reset: 10 * time.Second},
			map[string]string{"RateLimit-Policy": `"default";q=100;w=10`, "RateLimit": `"default";r=99;t=10`},
		},
		{
			"refused",
			ratelimit.Result{Limit: 3, Window: time.Minute, Reset: 4*time.Second + 1, RetryAfter: 4*time.Second + 1},
			map[string]string{"RateLimit-Policy": `"default";q=3;w=60`, "RateLimit": `"default";r=0;t=5`, "Retry-After": "5", "X-Retry-After": "5"},
		},
		{
			"less than a second",
			ratelimit.Result{Limit: 3, Window: 1500 * time.Millisecond, Reset: 1, RetryAfter: 1},
			map[string]string{"RateLimit-Policy": `"default";q=3;w=2`, "RateLimit": `"default";r=0;t=1`, "Retry-After": "1", "X-Retry-After": "1"},
		},
		{
			"storage that gives no times",
			ratelimit.Result{Limit: 3, Window: time.Second},
			map[string]string{"RateLimit-Policy": `"default";q=3;w=1`, "RateLimit": `"default";r=0;t=0`, "Retry-After": "1", "X-Retry-After": "1"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			ratelimit.SetHeaders(h, test.result)
			for name, value := range test.want {
				if got := h.Values(name); !slices.Equal(got, []string{value}) {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}
			if len(h) != len(test.want) {
				t.Errorf("fields %v, want %d", slices.Collect(maps.Keys(h)), len(test.want))
			}
		})
	}
}

func TestSetHeadersReplacesAnEarlierLimit(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	ratelimit.SetHeaders(h, ratelimit.Result{Allowed: true, Limit: 100, Window: time.Second, Remaining: 9})
	ratelimit.SetHeaders(h, ratelimit.Result{Allowed: true, Limit: 5, Window: time.Second, Remaining: 4})
	if got := h.Values("RateLimit-Policy"); !slices.Equal(got, []string{`"default";q=5;w=1`}) {
		t.Errorf("RateLimit-Policy: %q", got)
	}
}
