package redisstorage_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ostiary/ostiary/secondary"
	redisstorage "github.com/ostiary/ostiary/secondary/redis"
	"github.com/ostiary/ostiary/secondary/secondarytest"
)

// startCluster runs a Redis Cluster of two masters for the length of the test
// and returns their addresses.
func startCluster(t *testing.T) []string {
	t.Helper()
	halves := []string{"0 8191", "8192 16383"}
	ports := freePorts(t, 2*len(halves))
	var addrs []string
	var first *redis.Client
	for i, slots := range halves {
		addr := "127.0.0.1:" + ports[2*i]
		startServer(t, ports[2*i], "--cluster-enabled", "yes", "--cluster-port", ports[2*i+1], "--save", "")
		node := redis.NewClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = node.Close() })
		eventually(t, "start a node", func() error { return node.Ping(t.Context()).Err() })
		mustDo(t, node.Do(t.Context(), words("CLUSTER ADDSLOTSRANGE "+slots)...).Err())
		if first == nil {
			first = node
		}
		mustDo(t, first.Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", ports[2*i], ports[2*i+1]).Err())
		addrs = append(addrs, addr)
	}
	for _, addr := range addrs {
		node := redis.NewClient(&redis.Options{Addr: addr})
		eventually(t, "form the cluster", func() error {
			info, err := node.ClusterInfo(t.Context()).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_size:2")) {
				err = errors.New(info)
			}
			return err
		})
		mustDo(t, node.Close())
	}
	return addrs
}

// startServer runs a redis-server for the length of the test.
func startServer(t *testing.T, port string, args ...string) {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("no redis-server in PATH")
	}
	if err != nil {
		t.Skip("no redis-server in PATH")
	}
	args = append(args, "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir())
	cmd := exec.CommandContext(context.Background(), binary, args...)
	mustDo(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		mustDo(t, err)
		defer func() { _ = l.Close() }()
		_, port, err := net.SplitHostPort(l.Addr().String())
		mustDo(t, err)
		ports = append(ports, port)
	}
	return ports
}

func words(command string) []any {
	var args []any
	for _, word := range strings.Fields(command) {
		args = append(args, word)
	}
	return args
}

func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(patient)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-ticker.C
	}
}

func TestConformsOnACluster(t *testing.T) {
	t.Parallel()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: startCluster(t)})
	t.Cleanup(func() { mustDo(t, client.Close()) })
	secondarytest.Run(t, func(t *testing.T) secondarytest.Subject { return subject(t, client) })
}

func TestEveryMethodWorksOnACluster(t *testing.T) {
	t.Parallel()
	addrs := startCluster(t)
	for name, opt := range map[string]*redis.ClusterOptions{
		"client as it comes":           {},
		"client that honours contexts": {ContextTimeoutEnabled: true},
		"client without policies":      {DisableRoutingPolicies: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opt.Addrs = addrs
			client := redis.NewClusterClient(opt)
			t.Cleanup(func() { mustDo(t, client.Close()) })
			s := newStorage(t, client, redisstorage.WithTimeout(patient))
			for _, c := range calls() {
				mustDo(t, c.make(t.Context(), s))
			}
			for i := range 5 {
				allowed, err := hitTogether(s, fmt.Sprint("client ", i), 20, 100)
				if allowed != 20 || err != nil {
					t.Errorf("%d of 100 hits were allowed, %v; want 20", allowed, err)
				}
			}
		})
	}
}

func TestEveryMethodWorksWithSentinel(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 2)
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	monitor := fmt.Sprintf("sentinel monitor main 127.0.0.1 %s 1\n", ports[0])
	mustDo(t, os.WriteFile(config, []byte(monitor), 0o600))
	startServer(t, ports[0], "--save", "")
	startServer(t, ports[1], config, "--sentinel")

	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    "main",
		SentinelAddrs: []string{"127.0.0.1:" + ports[1]},
	})
	t.Cleanup(func() { mustDo(t, client.Close()) })
	s := redisstorage.New(client, redisstorage.WithPrefix("ostiary:"), redisstorage.WithTimeout(patient))
	eventually(t, "find the master", func() error { return s.Ping(t.Context()) })
	for _, c := range calls() {
		mustDo(t, c.make(t.Context(), s))
	}
	mustDo(t, s.Close())
}

func TestClusterThatIsDownIsUnavailable(t *testing.T) {
	t.Parallel()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	t.Cleanup(func() { mustDo(t, client.Close()) })
	s := redisstorage.New(client)
	for range 3 {
		var err error
		took := timed(func() { _, err = s.Get(t.Context(), "key") })
		if !errors.Is(err, secondary.ErrUnavailable) || took > bound {
			t.Errorf("Get: %v after %s, want ErrUnavailable within %s", err, took, bound)
		}
	}
}
