package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/internal/browser"
	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/ratelimit"
	"github.com/ostiary/ostiary/secondary"
	"github.com/ostiary/ostiary/store/memory"
)

// limitsOf is the counting side of a secondary storage.
func limitsOf(t *testing.T, kv secondary.Storage) ratelimit.Storage {
	t.Helper()
	counts, ok := kv.(ratelimit.Storage)
	if !ok {
		t.Fatalf("%T does not count", kv)
	}
	return counts
}

// limitOfTwenty lets twenty sign-ins a minute through.
func limitOfTwenty(cfg core.Config) core.Config {
	cfg.RateLimit = ratelimit.Config{Rules: []ratelimit.Rule{{Path: "/sign-in/email", Window: time.Minute, Max: 20}}}
	cfg.EmailPassword.HashConcurrency = 0
	return cfg
}

func hammer(h *testing.T, auth *core.Auth, n int) map[int]int {
	app := application(auth)
	return together(n, func(int) int {
		return browser.New(h, app).Post("/api/auth/sign-in/email", m{"email": "nobody@b.com", "password": "password789"}).Status
	})
}

func TestThreeHundredSignInsOnALimitOfTwenty(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		statuses := hammer(t, newAuth(t, limitOfTwenty(config(memory.New(), nil))), 300)
		if statuses[429] != 280 {
			t.Errorf("statuses %v: %d were let through, want 20", statuses, 300-statuses[429])
		}
	})
	t.Run("redis and two processes", func(t *testing.T) {
		t.Parallel()
		address, prefix := testenv.Redis(t), testenv.Prefix(t)
		var children []*exec.Cmd
		var outputs []*bufio.Scanner
		for range 2 {
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), floodRedis+"="+address, floodPrefix+"="+prefix)
			child.Stderr = os.Stderr
			stdout, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			children, outputs = append(children, child), append(outputs, bufio.NewScanner(stdout))
		}
		refused := 0
		for i, out := range outputs {
			var statuses map[int]int
			if !out.Scan() || json.Unmarshal(out.Bytes(), &statuses) != nil {
				t.Fatalf("process %d said %q", i, out.Text())
			}
			refused += statuses[429]
			if err := children[i].Wait(); err != nil {
				t.Fatal(err)
			}
		}
		if refused != 280 {
			t.Errorf("%d were let through, want 20", 300-refused)
		}
		wantTTLs(t, address, prefix)
	})
}

// The variables that make the test binary a process that floods.
const (
	floodRedis  = "OSTIARY_TEST_FLOOD_REDIS"
	floodPrefix = "OSTIARY_TEST_FLOOD_PREFIX"
)

// flood is the main program of a process of its own: 150 sign-ins at once
// against an engine that shares its counts through Redis.
func flood(address string) {
	testing.Init()
	kv, err := patient(address, os.Getenv(floodPrefix))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	auth, err := core.New(limitOfTwenty(config(memory.New(), kv)))
	if err == nil {
		err = auth.Migrate(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	statuses := hammer(new(testing.T), auth, 150)
	_ = json.NewEncoder(os.Stdout).Encode(statuses)
}

// wantTTLs checks that every key below the prefix will go by itself.
func wantTTLs(t *testing.T, address, prefix string) {
	t.Helper()
	options, err := redis.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	n := 0
	keys := client.Scan(t.Context(), 0, prefix+"*", 1000).Iterator()
	for keys.Next(t.Context()) {
		n++
		if ttl := client.PTTL(t.Context(), keys.Val()).Val(); ttl <= 0 {
			t.Errorf("%s has the time to live %v", strings.TrimPrefix(keys.Val(), prefix), ttl)
		}
	}
	if err := keys.Err(); err != nil || n == 0 {
		t.Errorf("%d keys (%v)", n, err)
	}
}
