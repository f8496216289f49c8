package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

const (
	defaultForwardHeader = "X-Forwarded-For"
	defaultIPv6Prefix    = 64
)

// ClientIP finds out which address a request comes from. The zero value is
// ready and safe: the address at the other end of the connection, whatever the
// headers say.
//
// Behind a reverse proxy that address is the proxy's, so name the proxies:
//
//	proxies, err := ratelimit.ParseProxies([]string{"10.0.0.0/8"})
//	...
//	ratelimit.ClientIP{TrustedProxies: proxies}
//
// Do not combine it with middleware that rewrites http.Request.RemoteAddr from
// a header: whoever sends that header would choose his address.
//
// A ClientIP is safe for concurrent use as long as nobody changes it.
type ClientIP struct {
	// TrustedProxies are the networks of the proxies in front of the
	// application. Only what they say about a client is believed. Empty, the
	// default: nobody.
	TrustedProxies []netip.Prefix
	// Header is the one the proxies write the client's address into: a list
	// to which each appends, or a single address. Default X-Forwarded-For.
	// Forwarded (RFC 7239) is not supported.
	Header string
	// IPv6Prefix is how many leading bits of an IPv6 address tell clients
	// apart, 1 to 128. Default 64: a subscriber has at least that network to
	// himself and may use any address in it.
	IPv6Prefix int
}

// ParseProxies reads addresses ("10.1.2.3") and networks ("10.0.0.0/8",
// "fd00::/8") for [ClientIP].TrustedProxies. Blank entries are skipped, all bad
// ones are reported together; the good ones are returned all the same.
func ParseProxies(entries []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	var problems []error
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		prefix, err := parseProxy(entry)
		if err == nil {
			err = checkProxy(prefix)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("trusted proxy %q: %w", entry, err))
			continue
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, errors.Join(problems...)
}

func parseProxy(entry string) (netip.Prefix, error) {
	malformed := errors.New(`write an address ("10.1.2.3") or a network ("10.0.0.0/8")`)
	if !strings.Contains(entry, "/") {
		addr, err := netip.ParseAddr(entry)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, malformed
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(entry)
	if err != nil {
		return netip.Prefix{}, malformed
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

func checkProxy(prefix netip.Prefix) error {
	switch {
	case !prefix.IsValid():
		return errors.New("not a valid network: make it with ParseProxies")
	case prefix.Addr().Is4In6():
		return errors.New("an IPv4 network in IPv6 form never matches: write the IPv4 network")
	case prefix.Bits() == 0:
		return errors.New("trusts every address, so that every client could choose its own: name the proxies' networks")
	}
	return nil
}

// Validate reports everything that is wrong with the configuration, nil if
// nothing is. [New] calls it.
func (c ClientIP) Validate() error {
	return errors.Join(c.problems("ratelimit.ClientIP")...)
}

func (c ClientIP) problems(field string) []error {
	var problems []error
	for i, prefix := range c.TrustedProxies {
		if err := checkProxy(prefix); err != nil {
			problems = append(problems, fmt.Errorf("%s.TrustedProxies[%d]: %s: %w", field, i, prefix, err))
		}
	}
	switch {
	case c.Header != "" && !isToken(c.Header):
		problems = append(problems, fmt.Errorf("%s.Header: %q is not a header's name: write one such as %q", field, c.Header, defaultForwardHeader))
	case strings.EqualFold(c.Header, "Forwarded"):
		problems = append(problems, fmt.Errorf("%s.Header: the syntax of Forwarded is not supported: have the proxy write %s", field, defaultForwardHeader))
	}
	if c.IPv6Prefix < 0 || c.IPv6Prefix > 128 {
		problems = append(problems, fmt.Errorf("%s.IPv6Prefix: %d is out of range: use 1 to 128, or 0 for %d", field, c.IPv6Prefix, defaultIPv6Prefix))
	}
	return problems
}

// Addr returns the client's address, unmapped (IPv4 never in IPv6 form) and
// without zone. It is the zero Addr where the connection has none, as with a
// Unix socket.
//
// The header counts only if the connection comes from a trusted proxy. Its
// lines are joined and read from right to left, the order in which proxies
// appended: the first address that is not a trusted proxy's is the client. If
// all are trusted, it is the leftmost. A hop that is no address ends the walk,
// and the proxy that reported it stands for the client: what cannot be told
// apart is limited together, and nobody gains a fresh count by sending junk.
// A port behind an address is ignored, empty hops are skipped.
func (c ClientIP) Addr(r *http.Request) netip.Addr {
	client := parseHop(r.RemoteAddr)
	if !c.trusts(client) {
		return client
	}
	lines := r.Header.Values(c.header())
	for i := len(lines) - 1; i >= 0; i-- {
		for line, more := lines[i], true; more; {
			var hop string
			line, hop, more = cutLastHop(line)
			if hop == "" {
				continue
			}
			addr := parseHop(hop)
			if !addr.IsValid() {
				return client
			}
			client = addr
			if !c.trusts(client) {
				return client
			}
		}
	}
	return client
}

// Key returns the name under which the request's client is counted: its
// address in the form of Masked.
func (c ClientIP) Key(r *http.Request) string { return c.Masked(c.Addr(r)) }

// Masked returns an address as text in the form that is counted and stored:
// IPv4 as usual, IPv6 cut to IPv6Prefix bits and written in full, eight groups
// of four lower-case digits ("2001:0db8:0001:0001:0000:0000:0000:0000"). The
// zero Addr is the empty text.
func (c ClientIP) Masked(addr netip.Addr) string {
	var buf [len("2001:0db8:0001:0001:0000:0000:0000:0000")]byte
	return string(c.appendMasked(buf[:0], addr))
}

func (c ClientIP) appendMasked(b []byte, addr netip.Addr) []byte {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr.AppendTo(b)
	}
	// An invalid number of bits leaves the address whole; Validate reports it.
	if prefix, err := addr.Prefix(c.ipv6Prefix()); err == nil {
		addr = prefix.Addr()
	}
	const digits = "0123456789abcdef"
	for i, octet := range addr.As16() {
		if i > 0 && i%2 == 0 {
			b = append(b, ':')
		}
		b = append(b, digits[octet>>4], digits[octet&0xf])
	}
	return b
}

func (c ClientIP) trusts(addr netip.Addr) bool {
	for _, prefix := range c.TrustedProxies {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

func (c ClientIP) header() string {
	if c.Header == "" {
		return defaultForwardHeader
	}
	return c.Header
}

func (c ClientIP) ipv6Prefix() int {
	if c.IPv6Prefix == 0 {
		return defaultIPv6Prefix
	}
	return c.IPv6Prefix
}

// cutLastHop takes the last element off a comma-separated list.
func cutLastHop(list string) (rest, hop string, more bool) {
	i := strings.LastIndexByte(list, ',')
	return list[:max(i, 0)], strings.Trim(list[i+1:], " \t"), i >= 0
}

// parseHop reads "1.2.3.4", "1.2.3.4:80", "::1", "[::1]" and "[::1]:80". The
// zero Addr means it is none of them. It looks before it parses, since a failed
// attempt would allocate an error on every request.
func parseHop(s string) netip.Addr {
	var addr netip.Addr
	inner, bracketed := strings.CutPrefix(s, "[")
	if bare, closed := strings.CutSuffix(inner, "]"); bracketed && closed {
		addr, _ = netip.ParseAddr(bare)
		if !addr.Is6() {
			return netip.Addr{}
		}
	} else if bracketed || strings.Count(s, ":") == 1 {
		withPort, _ := netip.ParseAddrPort(s)
		addr = withPort.Addr()
	} else if s != "" {
		addr, _ = netip.ParseAddr(s)
	}
	return addr.Unmap().WithZone("")
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2, as the
// names of methods and headers are.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
