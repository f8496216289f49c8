package ratelimit_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/ratelimit"
)

func request(peer string, forwarded ...string) *http.Request {
	r := &http.Request{Method: http.MethodPost, RemoteAddr: peer, Header: http.Header{}}
	for _, line := range forwarded {
		r.Header.Add("X-Forwarded-For", line)
	}
	return r
}

func proxies(t testing.TB, entries ...string) []netip.Prefix {
	t.Helper()
	prefixes, err := ratelimit.ParseProxies(entries)
	if err != nil {
		t.Fatal(err)
	}
	return prefixes
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := []string{"127.0.0.1", "10.0.0.0/8", "fd00::/8", "::1"}
	tests := []struct {
		name      string
		peer      string
		forwarded []string
		want      string
	}{
		{"peer alone", "198.51.100.7:1234", nil, "198.51.100.7"},
		{"header of an untrusted peer", "198.51.100.7:1234", []string{"203.0.113.1"}, "198.51.100.7"},
		{"IPv6 peer", "[2001:db8::1]:1234", nil, "2001:db8::1"},
		{"peer with zone", "[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"IPv4 peer in IPv6 form", "[::ffff:198.51.100.7]:1234", nil, "198.51.100.7"},
		{"peer without port", "198.51.100.7", nil, "198.51.100.7"},
		{"Unix socket", "@", []string{"203.0.113.1"}, ""},
		{"no peer", "", []string{"203.0.113.1"}, ""},

		{"trusted proxy", "127.0.0.1:1", []string{"203.0.113.1"}, "203.0.113.1"},
		{"trusted proxy in IPv6 form", "[::ffff:127.0.0.1]:1", []string{"203.0.113.1"}, "203.0.113.1"},
		{"trusted IPv6 proxy", "[::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"trusted proxy says nothing", "127.0.0.1:1", nil, "127.0.0.1"},
		{"trusted proxy says the empty text", "127.0.0.1:1", []string{"", " , "}, "127.0.0.1"},
		{"client's own header goes left", "127.0.0.1:1", []string{"192.0.2.99, 203.0.113.7"}, "203.0.113.7"},
		{"client's own header on a line of its own", "127.0.0.1:1", []string{"192.0.2.99", "203.0.113.7"}, "203.0.113.7"},
		{"several proxies", "127.0.0.1:1", []string{"192.0.2.99,203.0.113.7,10.1.1.1,fd00::2"}, "203.0.113.7"},
		{"several proxies over lines", "127.0.0.1:1", []string{"203.0.113.7, 10.1.1.1", "fd00::2"}, "203.0.113.7"},
		{"all trusted", "127.0.0.1:1", []string{"10.3.3.3, 10.2.2.2", "10.1.1.1"}, "10.3.3.3"},
		{"trusted hop in IPv6 form", "127.0.0.1:1", []string{"203.0.113.7, ::ffff:10.1.1.1"}, "203.0.113.7"},
		{"client in IPv6 form", "127.0.0.1:1", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"client in hexadecimal IPv6 form", "127.0.0.1:1", []string{"::ffff:cb00:7107"}, "203.0.113.7"},
		{"client with zone", "127.0.0.1:1", []string{"fe80::7%eth0"}, "fe80::7"},
		{"client with port", "127.0.0.1:1", []string{"203.0.113.7:8080"}, "203.0.113.7"},
		{"IPv6 client with port", "127.0.0.1:1", []string{"[2001:db8::7]:8080"}, "2001:db8::7"},
		{"IPv6 client in brackets", "127.0.0.1:1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"blanks and empty hops", "127.0.0.1:1", []string{" 192.0.2.99 ,\t203.0.113.7 , ,"}, "203.0.113.7"},

		{"junk from the proxy", "127.0.0.1:1", []string{"203.0.113.7, unknown"}, "127.0.0.1"},
		{"junk behind another proxy", "127.0.0.1:1", []string{"203.0.113.7, junk, 10.1.1.1"}, "10.1.1.1"},
		{"junk left of the client", "127.0.0.1:1", []string{"junk, 203.0.113.7"}, "203.0.113.7"},
		{"leading zeros", "127.0.0.1:1", []string{"010.0.0.1"}, "127.0.0.1"},
		{"IPv4 in brackets", "127.0.0.1:1", []string{"[203.0.113.7]"}, "127.0.0.1"},
		{"port that is none", "127.0.0.1:1", []string{"203.0.113.7:http"}, "127.0.0.1"},
		{"two addresses in one hop", "127.0.0.1:1", []string{"203.0.113.7 203.0.113.8"}, "127.0.0.1"},
		{"quoted", "127.0.0.1:1", []string{`"203.0.113.7"`}, "127.0.0.1"},
		{"Unix socket behind the proxy", "127.0.0.1:1", []string{"unix:"}, "127.0.0.1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := ratelimit.ClientIP{TrustedProxies: proxies(t, trusted...)}
			var want netip.Addr
			if test.want != "" {
				want = netip.MustParseAddr(test.want)
			}
			r := request(test.peer, test.forwarded...)
			if got := c.Addr(r); got != want {
				t.Errorf("Addr = %v, want %v", got, want)
			}
			if got := c.Key(r); got != c.Masked(want) {
				t.Errorf("Key = %q, want %q", got, c.Masked(want))
			}
		})
	}
}

func TestClientAddressFromAHeaderOfTheProxysOwn(t *testing.T) {
	t.Parallel()
	c := ratelimit.ClientIP{TrustedProxies: proxies(t, "127.0.0.1"), Header: "cf-connecting-ip"}
	r := request("127.0.0.1:1", "192.0.2.1")
	r.Header.Set("CF-Connecting-IP", "203.0.113.7")
	if got, want := c.Addr(r), netip.MustParseAddr("203.0.113.7"); got != want {
		t.Errorf("Addr = %v, want %v", got, want)
	}
}

func TestMaskedAddress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		bits       int
		addr, want string
	}{
		{0, "203.0.113.7", "203.0.113.7"},
		{0, "::ffff:203.0.113.7", "203.0.113.7"},
		{0, "2001:DB8:1:1::1", "2001:0db8:0001:0001:0000:0000:0000:0000"},
		{0, "2001:db8:1:1:ffff:ffff:ffff:ffff", "2001:0db8:0001:0001:0000:0000:0000:0000"},
		{0, "fe80::1%eth0", "fe80:0000:0000:0000:0000:0000:0000:0000"},
		{0, "::1", "0000:0000:0000:0000:0000:0000:0000:0000"},
		{128, "2001:db8::abcd", "2001:0db8:0000:0000:0000:0000:0000:abcd"},
		{48, "2001:db8:1:ffff::1", "2001:0db8:0001:0000:0000:0000:0000:0000"},
		{65, "2001:db8:1:1:ffff::", "2001:0db8:0001:0001:8000:0000:0000:0000"},
		{1, "ffff::", "8000:0000:0000:0000:0000:0000:0000:0000"},
	}
	for _, test := range tests {
		c := ratelimit.ClientIP{IPv6Prefix: test.bits}
		if got := c.Masked(netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%s by /%d: %q, want %q", test.addr, test.bits, got, test.want)
		}
	}
	if got := (ratelimit.ClientIP{}).Masked(netip.Addr{}); got != "" {
		t.Errorf("zero Addr: %q, want the empty text", got)
	}
}

func TestAllSpellingsOfAnAddressAreOneKey(t *testing.T) {
	t.Parallel()
	c := ratelimit.ClientIP{TrustedProxies: proxies(t, "127.0.0.1")}
	for _, spellings := range [][]string{
		{"203.0.113.7", "::ffff:203.0.113.7", "::FFFF:CB00:7107", "[::ffff:203.0.113.7]:80", "203.0.113.7:1", "0:0:0:0:0:ffff:203.0.113.7"},
		{"2001:db8:1:1::1", "2001:DB8:1:1::6", "2001:0db8:0001:0001::", "[2001:db8:1:1:ffff::]:443", "2001:db8:1:1::1%x"},
	} {
		want := c.Key(request("127.0.0.1:1", spellings[0]))
		for _, spelling := range spellings {
			if got := c.Key(request("127.0.0.1:1", spelling)); got != want {
				t.Errorf("%s: key %q, want %q", spelling, got, want)
			}
		}
	}
}

func TestParseProxiesReportsEveryBadEntry(t *testing.T) {
	t.Parallel()
	prefixes, err := ratelimit.ParseProxies([]string{
		"10.1.2.3", " 10.0.0.5/8 ", "", "nonsense", "::1", "fd00::/8", "10.0.0.0/33", "::ffff:192.0.2.0/120", "0.0.0.0/0", "::/0", "fe80::1%eth0",
	})
	want := []netip.Prefix{
		netip.MustParsePrefix("10.1.2.3/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("192.0.2.0/24"),
	}
	if !slices.Equal(prefixes, want) {
		t.Errorf("prefixes %v, want %v", prefixes, want)
	}
	if err == nil {
		t.Fatal("no error")
	}
	for _, bad := range []string{`"nonsense"`, `"10.0.0.0/33"`, `"0.0.0.0/0"`, `"::/0"`, `"fe80::1%eth0"`} {
		if !strings.Contains(err.Error(), bad) {
			t.Errorf("the error does not name %s:\n%v", bad, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 5 {
		t.Errorf("%d problems, want 5:\n%v", lines, err)
	}
}

func TestClientIPValidate(t *testing.T) {
	t.Parallel()
	good := ratelimit.ClientIP{TrustedProxies: proxies(t, "10.0.0.0/8", "::1"), Header: "X-Real-IP", IPv6Prefix: 56}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	if err := (ratelimit.ClientIP{}).Validate(); err != nil {
		t.Error(err)
	}
	bad := ratelimit.ClientIP{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), {}, netip.MustParsePrefix("::/0"), netip.MustParsePrefix("::ffff:10.0.0.0/104")},
		Header:         "X Forwarded For",
		IPv6Prefix:     129,
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"TrustedProxies[1]", "TrustedProxies[2]", "TrustedProxies[3]", "ClientIP.Header", "ClientIP.IPv6Prefix"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s:\n%v", field, err)
		}
	}
	if strings.Contains(err.Error(), "TrustedProxies[0]") {
		t.Errorf("the good network is reported:\n%v", err)
	}
	if err := (ratelimit.ClientIP{Header: "forwarded"}).Validate(); err == nil {
		t.Error("Forwarded is accepted")
	}
}

func TestClientAddressDoesNotAllocate(t *testing.T) {
	c := ratelimit.ClientIP{TrustedProxies: proxies(t, "127.0.0.1", "10.0.0.0/8")}
	r := request("127.0.0.1:1", "192.0.2.1, 203.0.113.7", "10.1.1.1:80")
	allocs := testing.AllocsPerRun(100, func() {
		if !c.Addr(r).IsValid() {
			t.Fatal("no address")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzClientAddress(f *testing.F) {
	f.Add("198.51.100.7:1234", "203.0.113.1", "10.0.0.1")
	f.Add("127.0.0.1:1", "[::1]:80, junk", ",,")
	f.Add("@", "[", "]:")
	f.Add("[fe80::1%eth0]:1", "::ffff:1.2.3.4", "fe80::1%a,b")
	trusting := ratelimit.ClientIP{TrustedProxies: proxies(f, "127.0.0.1", "10.0.0.0/8", "fd00::/8")}
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		bare, spoofed := request(peer), request(peer, first, second)
		alone := trusting.Addr(bare)
		if got := (ratelimit.ClientIP{}).Addr(spoofed); got != alone {
			t.Fatalf("without proxies the header changes %v to %v", alone, got)
		}
		trusted := slices.ContainsFunc(trusting.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(alone) })
		if got := trusting.Addr(spoofed); !trusted && got != alone {
			t.Fatalf("the header of the untrusted peer changes %v to %v", alone, got)
		}

		got := trusting.Addr(spoofed)
		if got.Is4In6() || got.Zone() != "" {
			t.Fatalf("%v is not normalised", got)
		}
		// What a client sends stands left of what the proxy appends.
		appended := request("127.0.0.1:1", first, second, "203.0.113.7")
		if got := trusting.Addr(appended); got != netip.MustParseAddr("203.0.113.7") {
			t.Fatalf("the client's own header wins: %v", got)
		}
		key := trusting.Masked(got)
		if !got.IsValid() {
			if key != "" {
				t.Fatalf("the zero Addr has the key %q", key)
			}
			return
		}
		if masked, err := netip.ParseAddr(key); err != nil || trusting.Masked(masked) != key {
			t.Fatalf("key %q of %v: %v", key, got, err)
		}
	})
}
