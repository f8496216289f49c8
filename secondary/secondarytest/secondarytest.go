// Package secondarytest is the conformance suite of [secondary.Storage]: an
// implementation that passes [Run] works with everything in Ostiary.
//
//	func TestStorage(t *testing.T) {
//		secondarytest.Run(t, func(t *testing.T) secondarytest.Subject {
//			clock := newClock()
//			storage := mystorage.New(mystorage.Options{Now: clock.Now})
//			t.Cleanup(func() { storage.Close() })
//			return secondarytest.Subject{Storage: storage, Now: clock.Now, Advance: clock.Advance}
//		})
//	}
//
// Run it with the race detector. The one thing to know: a storage whose clock
// cannot be moved leaves Advance nil, and the suite waits for short times to
// live to pass.
package secondarytest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/secondary"
)

// Subject is one storage under test and what the suite needs to know of it.
type Subject struct {
	// Storage is empty, or behaves as if it were: no other test sees its keys.
	Storage secondary.Storage
	// Now is the storage's clock; nil is time.Now.
	Now func() time.Time
	// Advance moves the clock. Nil means that it cannot be moved: the suite
	// then waits for times to live of some hundred milliseconds.
	Advance func(time.Duration)
	// TTL returns the time that the value or the set under the key has left,
	// 0 or less when it would stay for ever or is absent. Nil leaves out the
	// checks that need it.
	TTL func(t *testing.T, key string) time.Duration
}

// Run runs the suite. Each of its tests runs in parallel with the others on a
// Subject of its own, which open returns and closes with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"GetOfAbsentKey", (*suite).getOfAbsentKey},
		{"KeepsValues", (*suite).keepsValues},
		{"KeepsKeysApart", (*suite).keepsKeysApart},
		{"SharesNoMemory", (*suite).sharesNoMemory},
		{"SetReplacesValueAndTTL", (*suite).setReplacesValueAndTTL},
		{"SetExpires", (*suite).setExpires},
		{"ShortestTTLExpires", (*suite).shortestTTLExpires},
		{"SetIfExists", (*suite).setIfExists},
		{"SetIfExistsReplacesTTL", (*suite).setIfExistsReplacesTTL},
		{"SetIfExistsLeavesExpiredKeyAbsent", (*suite).setIfExistsAfterExpiry},
		{"Delete", (*suite).deletes},
		{"Take", (*suite).take},
		{"TakeAfterExpiry", (*suite).takeAfterExpiry},
		{"Increment", (*suite).increment},
		{"IncrementDoesNotExtendTTL", (*suite).incrementDoesNotExtendTTL},
		{"TTLMustBePositive", (*suite).ttlMustBePositive},
		{"Members", (*suite).members},
		{"MembersExpireOneByOne", (*suite).membersExpire},
		{"AddingAMemberAgainMovesItsInstant", (*suite).addMemberAgain},
		{"SetsAlwaysHaveATTL", (*suite).setsHaveTTL},
		{"ContextIsHonoured", (*suite).contextIsHonoured},
		{"Ping", (*suite).ping},
		{"ParallelTakesHaveOneWinner", (*suite).parallelTakes},
		{"ParallelIncrementsAreExact", (*suite).parallelIncrements},
		{"SetIfExistsNeverRevivesADeletedKey", (*suite).setIfExistsNeverRevives},
		{"ParallelMembersAreAllKept", (*suite).parallelMembers},
		{"ValuesAreNeverTorn", (*suite).valuesAreNeverTorn},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			subject := open(t)
			if subject.Now == nil {
				subject.Now = time.Now
			}
			test.run(&suite{T: t, Subject: subject, ctx: t.Context()})
		})
	}
}

type suite struct {
	*testing.T
	Subject
	ctx context.Context
}

// oddKeys are what keys of real applications hold, and worse.
var oddKeys = []string{
	"", " ", "a b", "a:b", "{tag}:a", "{", "}{", "a*?[b]", "line\nbreak\r\n", "nul\x00byte",
	"\xff\xfe not UTF-8", "Zoë's ключ 鍵 🔑", "%s%d", `quote"'\`, "-1", strings.Repeat("long", 500),
}

func (s *suite) getOfAbsentKey() {
	got, err := s.Storage.Get(s.ctx, "absent")
	if !errors.Is(err, secondary.ErrNotFound) || got != nil {
		s.Errorf("Get of an absent key = %q, %v; want nil, ErrNotFound", got, err)
	}
}

func (s *suite) keepsValues() {
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	for name, value := range map[string][]byte{
		"nil":     nil,
		"empty":   {},
		"text":    []byte(`{"id":"1"}`),
		"number":  []byte("0042"),
		"binary":  binary,
		"newline": []byte("\r\n$-1\r\n"),
		"1 MB":    bytes.Repeat(binary, 4096),
	} {
		s.mustSet(name, value, time.Hour)
		got, err := s.Storage.Get(s.ctx, name)
		if err != nil || !bytes.Equal(got, value) {
			s.Errorf("Get of a value that is %s = %d bytes, %v; want the %d bytes set", name, len(got), err, len(value))
		}
	}
}

func (s *suite) keepsKeysApart() {
	for _, key := range oddKeys {
		s.mustSet(key, []byte("value of "+key), time.Hour)
		set := "set " + key
		s.mustAdd(set, "member of "+key, s.Now().Add(time.Hour))
		s.mustAdd(set, key, s.Now().Add(2*time.Hour))
	}
	for _, key := range oddKeys {
		s.wantValue(key, "value of "+key)
		s.wantMembers("set "+key, "member of "+key, key)
	}
	for i, key := range oddKeys {
		s.must(s.Storage.Delete(s.ctx, key))
		s.wantAbsent(key)
		if i+1 < len(oddKeys) {
			s.wantValue(oddKeys[i+1], "value of "+oddKeys[i+1])
		}
	}
}

func (s *suite) sharesNoMemory() {
	value := []byte("value")
	s.mustSet("key", value, time.Hour)
	value[0] = 'X'
	s.wantValue("key", "value")

	got, err := s.Storage.Get(s.ctx, "key")
	s.must(err)
	got[0] = 'X'
	s.wantValue("key", "value")

	value = []byte("other")
	ok, err := s.Storage.SetIfExists(s.ctx, "key", value, time.Hour)
	s.must(err)
	if !ok {
		s.Fatal("SetIfExists of a key that exists = false")
	}
	value[0] = 'X'
	s.wantValue("key", "other")

	s.mustIncrement("number", 1, time.Hour)
	got, err = s.Storage.Get(s.ctx, "number")
	s.must(err)
	got[0] = '7'
	s.mustIncrement("number", 2, time.Hour)
}

func (s *suite) setReplacesValueAndTTL() {
	s.mustSet("longer", []byte("1"), s.brief())
	s.mustSet("longer", []byte("2"), time.Hour)
	s.mustSet("shorter", []byte("1"), time.Hour)
	s.mustSet("shorter", []byte("2"), s.brief())
	s.pass(s.brief())
	s.wantValue("longer", "2")
	s.wantAbsent("shorter")
}

func (s *suite) setExpires() {
	start := time.Now()
	s.mustSet("key", []byte("value"), s.brief())
	s.wantTTL("key", s.brief())
	s.expires(start, s.brief(), func() bool { return s.exists("key") })
	s.mustSet("key", []byte("again"), time.Hour)
	s.wantValue("key", "again")
}

// shortestTTLExpires: a time to live below the storage's own unit must not
// turn into none.
func (s *suite) shortestTTLExpires() {
	s.mustSet("set", []byte("value"), time.Nanosecond)
	s.mustSet("set if exists", []byte("value"), time.Hour)
	_, err := s.Storage.SetIfExists(s.ctx, "set if exists", []byte("value"), time.Nanosecond)
	s.must(err)
	s.mustIncrement("increment", 1, time.Nanosecond)
	s.mustAdd("members", "member", s.Now().Add(time.Nanosecond))
	s.pass(s.brief())
	for _, key := range []string{"set", "set if exists", "increment"} {
		s.wantAbsent(key)
	}
	s.wantMembers("members")
}

func (s *suite) setIfExists() {
	ok, err := s.Storage.SetIfExists(s.ctx, "key", []byte("value"), time.Hour)
	if ok || err != nil {
		s.Errorf("SetIfExists of an absent key = %v, %v; want false, nil", ok, err)
	}
	s.wantAbsent("key")

	s.mustSet("key", []byte("1"), time.Hour)
	ok, err = s.Storage.SetIfExists(s.ctx, "key", []byte("2"), time.Hour)
	if !ok || err != nil {
		s.Errorf("SetIfExists of a key that exists = %v, %v; want true, nil", ok, err)
	}
	s.wantValue("key", "2")
}

func (s *suite) setIfExistsReplacesTTL() {
	s.mustSet("longer", []byte("1"), s.brief())
	s.mustSet("shorter", []byte("1"), time.Hour)
	for _, key := range []string{"longer", "shorter"} {
		ttl := time.Hour
		if key == "shorter" {
			ttl = s.brief()
		}
		ok, err := s.Storage.SetIfExists(s.ctx, key, []byte("2"), ttl)
		if !ok || err != nil {
			s.Fatalf("SetIfExists of a key that exists = %v, %v; want true, nil", ok, err)
		}
		s.wantTTL(key, ttl)
	}
	s.pass(s.brief())
	s.wantValue("longer", "2")
	s.wantAbsent("shorter")
}

func (s *suite) setIfExistsAfterExpiry() {
	s.mustSet("key", []byte("value"), s.brief())
	s.pass(s.brief())
	ok, err := s.Storage.SetIfExists(s.ctx, "key", []byte("value"), time.Hour)
	if ok || err != nil {
		s.Errorf("SetIfExists of an expired key = %v, %v; want false, nil", ok, err)
	}
	s.wantAbsent("key")
}

func (s *suite) deletes() {
	s.must(s.Storage.Delete(s.ctx))
	s.must(s.Storage.Delete(s.ctx, "absent", "absent too"))

	kept := []string{"kept", "a", "b"}
	gone := []string{"one", "two", "{three}", "four", "five"}
	for _, key := range slices.Concat(kept, gone) {
		s.mustSet(key, []byte(key), time.Hour)
	}
	s.mustAdd("members", "member", s.Now().Add(time.Hour))
	s.mustIncrement("number", 1, time.Hour)

	s.must(s.Storage.Delete(s.ctx, append([]string{"absent", "members", "number", "one"}, gone...)...))
	for _, key := range append(gone, "number") {
		s.wantAbsent(key)
	}
	s.wantMembers("members")
	for _, key := range kept {
		s.wantValue(key, key)
	}
	s.mustIncrement("number", 1, time.Hour)
}

func (s *suite) take() {
	s.mustSet("key", []byte("value"), time.Hour)
	s.mustSet("other", []byte("other"), time.Hour)
	got, err := s.Storage.Take(s.ctx, "key")
	if err != nil || string(got) != "value" {
		s.Errorf("Take = %q, %v; want %q, nil", got, err, "value")
	}
	s.wantAbsent("key")
	got, err = s.Storage.Take(s.ctx, "key")
	if !errors.Is(err, secondary.ErrNotFound) || got != nil {
		s.Errorf("second Take = %q, %v; want nil, ErrNotFound", got, err)
	}
	s.wantValue("other", "other")
}

func (s *suite) takeAfterExpiry() {
	s.mustSet("key", []byte("value"), s.brief())
	s.pass(s.brief())
	got, err := s.Storage.Take(s.ctx, "key")
	if !errors.Is(err, secondary.ErrNotFound) || got != nil {
		s.Errorf("Take of an expired key = %q, %v; want nil, ErrNotFound", got, err)
	}
}

func (s *suite) increment() {
	for want := range int64(12) {
		s.mustIncrement("number", want+1, time.Hour)
	}
	s.mustIncrement("other", 1, time.Hour)
	s.wantTTL("number", time.Hour)
	s.must(s.Storage.Delete(s.ctx, "number"))
	s.mustIncrement("number", 1, time.Hour)
}

func (s *suite) incrementDoesNotExtendTTL() {
	start := time.Now()
	s.mustIncrement("number", 1, 2*s.brief())
	s.pass(s.brief())
	n, err := s.Storage.Increment(s.ctx, "number", 2*s.brief())
	s.must(err)
	if n != 2 && s.Advance == nil && time.Since(start) >= 2*s.brief() {
		s.Skip("the machine is too slow to tell")
	}
	if n != 2 {
		s.Fatalf("second Increment = %d, want 2", n)
	}
	s.wantTTL("number", s.brief())
	s.pass(s.brief())
	s.mustIncrement("number", 1, time.Hour)
	s.wantTTL("number", time.Hour)
}

func (s *suite) ttlMustBePositive() {
	s.mustSet("key", []byte("value"), time.Hour)
	s.mustIncrement("number", 1, time.Hour)
	for _, ttl := range []time.Duration{0, -1, -time.Hour} {
		for _, key := range []string{"key", "absent"} {
			if err := s.Storage.Set(s.ctx, key, []byte("x"), ttl); !errors.Is(err, secondary.ErrInvalid) {
				s.Errorf("Set with ttl %s: %v, want ErrInvalid", ttl, err)
			}
			if ok, err := s.Storage.SetIfExists(s.ctx, key, []byte("x"), ttl); ok || !errors.Is(err, secondary.ErrInvalid) {
				s.Errorf("SetIfExists with ttl %s = %v, %v; want false, ErrInvalid", ttl, ok, err)
			}
		}
		for _, key := range []string{"number", "absent"} {
			if n, err := s.Storage.Increment(s.ctx, key, ttl); n != 0 || !errors.Is(err, secondary.ErrInvalid) {
				s.Errorf("Increment with ttl %s = %d, %v; want 0, ErrInvalid", ttl, n, err)
			}
		}
	}
	s.wantValue("key", "value")
	s.wantAbsent("absent")
	s.mustIncrement("number", 2, time.Hour)
}

func (s *suite) members() {
	s.wantMembers("set")
	s.must(s.Storage.RemoveMember(s.ctx, "set", "absent"))
	s.must(s.Storage.RemoveMember(s.ctx, "set"))

	now := s.Now()
	s.mustAdd("set", "c", now.Add(3*time.Hour))
	s.mustAdd("set", "a", now.Add(time.Hour))
	s.mustAdd("set", "", now.Add(4*time.Hour))
	s.mustAdd("set", "b", now.Add(2*time.Hour))
	s.mustAdd("other", "z", now.Add(time.Hour))
	s.wantMembers("set", "a", "b", "c", "")

	s.must(s.Storage.RemoveMember(s.ctx, "set", "b", "absent", ""))
	s.wantMembers("set", "a", "c")
	s.must(s.Storage.RemoveMember(s.ctx, "set", "a", "c"))
	s.wantMembers("set")
	s.wantMembers("other", "z")
	s.mustAdd("set", "a", now.Add(time.Hour))
	s.wantMembers("set", "a")
}

func (s *suite) membersExpire() {
	start := time.Now()
	now := s.Now()
	s.mustAdd("set", "brief", now.Add(s.brief()))
	s.mustAdd("set", "long", now.Add(time.Hour))
	s.mustAdd("alone", "brief", now.Add(s.brief()))
	s.expires(start, s.brief(), func() bool { return s.hasMember("set", "brief") })
	s.wantMembers("set", "long")
	s.wantMembers("alone")
}

func (s *suite) addMemberAgain() {
	now := s.Now()
	for member, until := range map[string]time.Duration{"longer": s.brief(), "shorter": time.Hour, "gone": time.Hour} {
		s.mustAdd("set", member, now.Add(until))
	}
	s.mustAdd("set", "longer", now.Add(time.Hour))
	s.mustAdd("set", "shorter", now.Add(s.brief()))
	s.mustAdd("set", "gone", now.Add(-time.Second))
	s.mustAdd("set", "never there", now.Add(-time.Second))
	s.mustAdd("set", "never there", time.Time{})
	s.mustAdd("none", "never there", now.Add(-time.Second))
	if s.hasMember("set", "gone") || s.hasMember("set", "never there") {
		s.Error("a member whose instant has passed is in the set")
	}
	s.wantMembers("none")
	s.pass(s.brief())
	s.wantMembers("set", "longer")
}

func (s *suite) setsHaveTTL() {
	if s.TTL == nil {
		s.Skip("no way to look at a time to live")
	}
	now := s.Now()
	s.mustAdd("set", "furthest", now.Add(time.Hour))
	s.wantTTL("set", time.Hour)
	s.mustAdd("set", "nearer", now.Add(time.Minute))
	s.wantTTL("set", time.Hour)
	s.mustAdd("set", "furthest", now.Add(2*time.Hour))
	s.wantTTL("set", 2*time.Hour)
	s.must(s.Storage.RemoveMember(s.ctx, "set", "furthest"))
	if left := s.TTL(s.T, "set"); left <= 0 {
		s.Errorf("a set has %s to live after RemoveMember, want more than 0", left)
	}
	s.mustAdd("for ever", "member", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
	s.mustAdd("for ever", "member", time.Unix(1<<40, 0))
	if left := s.TTL(s.T, "for ever"); left <= 0 {
		s.Errorf("a set with a member of the far future has %s to live, want more than 0", left)
	}
	s.wantMembers("for ever", "member")
}

func (s *suite) contextIsHonoured() {
	s.mustSet("key", []byte("value"), time.Hour)
	cancelled, cancel := context.WithCancel(s.ctx)
	cancel()
	late, cancelLate := context.WithDeadline(s.ctx, time.Unix(0, 0))
	defer cancelLate()
	calls := map[string]func(context.Context) error{
		"Get": func(ctx context.Context) error { _, err := s.Storage.Get(ctx, "key"); return err },
		"Set": func(ctx context.Context) error { return s.Storage.Set(ctx, "key", []byte("x"), time.Hour) },
		"SetIfExists": func(ctx context.Context) error {
			_, err := s.Storage.SetIfExists(ctx, "key", []byte("x"), time.Hour)
			return err
		},
		"Delete":       func(ctx context.Context) error { return s.Storage.Delete(ctx, "key") },
		"Take":         func(ctx context.Context) error { _, err := s.Storage.Take(ctx, "key"); return err },
		"Increment":    func(ctx context.Context) error { _, err := s.Storage.Increment(ctx, "n", time.Hour); return err },
		"AddMember":    func(ctx context.Context) error { return s.Storage.AddMember(ctx, "s", "m", s.Now().Add(time.Hour)) },
		"RemoveMember": func(ctx context.Context) error { return s.Storage.RemoveMember(ctx, "s", "m") },
		"Members":      func(ctx context.Context) error { _, err := s.Storage.Members(ctx, "s"); return err },
		"Ping":         s.Storage.Ping,
	}
	for name, call := range calls {
		if err := call(cancelled); !errors.Is(err, context.Canceled) {
			s.Errorf("%s with a cancelled context: %v, want context.Canceled", name, err)
		}
		if err := call(late); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("%s after its deadline: %v, want context.DeadlineExceeded", name, err)
		}
	}
	s.wantValue("key", "value")
	s.wantMembers("s")
	s.mustIncrement("n", 1, time.Hour)
}

func (s *suite) ping() { s.must(s.Storage.Ping(s.ctx)) }

// brief is a time to live that the suite waits for.
func (s *suite) brief() time.Duration {
	if s.Advance != nil {
		return time.Minute
	}
	return 300 * time.Millisecond
}

// pass lets time go by on the storage's clock, d or a little more.
func (s *suite) pass(d time.Duration) {
	s.Helper()
	if s.Advance != nil {
		s.Advance(d)
		return
	}
	// An entry written now outlives those written before it.
	s.mustSet("marker of the suite", nil, d+time.Millisecond)
	s.poll(d, func() bool { return s.exists("marker of the suite") })
}

// expires fails the test unless something that was written after start goes
// ttl later, and not before.
func (s *suite) expires(start time.Time, ttl time.Duration, exists func() bool) {
	s.Helper()
	if s.Advance != nil {
		s.Advance(ttl - time.Millisecond)
		if !exists() {
			s.Errorf("gone a millisecond before its %s have passed", ttl)
		}
		s.Advance(time.Millisecond)
		if exists() {
			s.Errorf("still there after %s", ttl)
		}
		return
	}
	s.poll(ttl, exists)
	if lived := time.Since(start); lived < ttl-time.Millisecond {
		s.Errorf("gone after %s, want %s", lived, ttl)
	}
}

// poll waits for cond to become false, which it should do after d.
func (s *suite) poll(d time.Duration, cond func() bool) {
	s.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(d + 10*time.Second)
	for cond() {
		if time.Now().After(deadline) {
			s.Fatalf("still there long after %s", d)
		}
		<-ticker.C
	}
}

func (s *suite) exists(key string) bool {
	s.Helper()
	_, err := s.Storage.Get(s.ctx, key)
	if errors.Is(err, secondary.ErrNotFound) {
		return false
	}
	s.must(err)
	return true
}

func (s *suite) hasMember(key, member string) bool {
	s.Helper()
	members, err := s.Storage.Members(s.ctx, key)
	s.must(err)
	return slices.Contains(members, member)
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) mustSet(key string, value []byte, ttl time.Duration) {
	s.Helper()
	s.must(s.Storage.Set(s.ctx, key, value, ttl))
}

func (s *suite) mustAdd(key, member string, until time.Time) {
	s.Helper()
	s.must(s.Storage.AddMember(s.ctx, key, member, until))
}

func (s *suite) mustIncrement(key string, want int64, ttl time.Duration) {
	s.Helper()
	got, err := s.Storage.Increment(s.ctx, key, ttl)
	if err != nil || got != want {
		s.Fatalf("Increment = %d, %v; want %d, nil", got, err, want)
	}
}

func (s *suite) wantValue(key, want string) {
	s.Helper()
	got, err := s.Storage.Get(s.ctx, key)
	if err != nil || string(got) != want {
		s.Errorf("Get(%q) = %q, %v; want %q, nil", key, got, err, want)
	}
}

func (s *suite) wantAbsent(key string) {
	s.Helper()
	got, err := s.Storage.Get(s.ctx, key)
	if !errors.Is(err, secondary.ErrNotFound) {
		s.Errorf("Get(%q) = %q, %v; want ErrNotFound", key, got, err)
	}
}

func (s *suite) wantMembers(key string, want ...string) {
	s.Helper()
	got, err := s.Storage.Members(s.ctx, key)
	if err != nil || !slices.Equal(got, want) {
		s.Errorf("Members(%q) = %q, %v; want %q, nil", key, got, err, want)
	}
}

// wantTTL checks that the key has at most want to live, and not much less.
func (s *suite) wantTTL(key string, want time.Duration) {
	s.Helper()
	if s.TTL == nil {
		return
	}
	const slack = 5 * time.Second
	if left := s.TTL(s.T, key); left <= 0 && want > slack || left > want+time.Millisecond || left < want-slack {
		s.Errorf("%q has %s to live, want %s", key, left, want)
	}
}
