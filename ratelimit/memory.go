package ratelimit

import (
	"context"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/secondary"
)

const (
	defaultMaxKeys = 100_000

	// sweepEvery is the time between two sweeps of a Memory that holds keys,
	// fullSweepEvery that of one that turned a key away.
	sweepEvery     = 20 * time.Second
	fullSweepEvery = time.Second

	// keysPerShard is what a shard holds in the mean when all keys are in use.
	// It bounds how long a sweep keeps a caller waiting.
	keysPerShard = 512
	maxShards    = 4096
)

// MemoryOptions are the options of [NewMemory].
type MemoryOptions struct {
	// MaxKeys is how many keys are held at most. Default 100,000. A key takes
	// about 90 bytes, and 8 to 16 for each further hit in its window.
	MaxKeys int
	// Now is the clock. Default: the system's, unmoved by adjustments of the
	// time of day. Callers that pass Hit an instant of their own must take it
	// from the same clock.
	Now func() time.Time
}

// Memory is a [Storage] in this process: for each key a log of the instants of
// its hits. It is exact, safe for concurrent use, and does not allocate on a
// key whose log has grown to what it needs.
//
// Memory is bounded. At MaxKeys a key that is not held is refused, for about a
// second at a time, until others have expired. Nothing that is held is ever
// dropped before its time: a flood of made-up clients neither frees one that
// has reached its limit, nor touches those already known, nor takes more
// memory. Keys are told apart by a hash of 128 bits with a secret seed, so
// that long ones cost no more than short ones.
//
// A key that nobody uses any more goes within 20 seconds of the end of its
// window, and its memory is freed. While a Memory holds no key it runs nothing
// in the background.
//
// A key should keep its limit and its window. If they change, the log is
// judged by the latest; what had left the former window is not remembered.
type Memory struct {
	seeds   [2]maphash.Seed
	now     func() time.Time // nil: the system's clock
	epoch   time.Time
	maxKeys int64
	keys    atomic.Int64
	shards  []shard

	// scheduled and hurried tell whether a sweep is to come, and whether soon.
	// They are written under sweeping alone.
	scheduled atomic.Bool
	hurried   atomic.Bool
	sweeping  sync.Mutex
	sweeper   *time.Timer
	closed    bool
}

// fingerprint stands for a key.
type fingerprint [2]uint64

type shard struct {
	mu   sync.Mutex
	logs map[fingerprint]*hitLog
	peak int      // most logs since the map was made; maps do not shrink by themselves
	_    [40]byte // a cache line each: neighbours' locks are taken by other processors
}

// NewMemory returns an empty Memory.
func NewMemory(o MemoryOptions) *Memory {
	if o.MaxKeys <= 0 {
		o.MaxKeys = defaultMaxKeys
	}
	shards := min(1<<bits.Len(uint(o.MaxKeys/keysPerShard)), maxShards)
	m := &Memory{
		seeds:   [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		now:     o.Now,
		maxKeys: int64(o.MaxKeys),
		shards:  make([]shard, shards),
	}
	if m.epoch = time.Now(); m.now != nil {
		m.epoch = m.now()
	}
	return m
}

// Hit implements [Storage]. The one error is secondary.ErrInvalid, for a limit
// or a window that is not positive or exceeds what [Rule] says.
func (m *Memory) Hit(_ context.Context, key string, limit int, window time.Duration, now time.Time) (Result, error) {
	if limit < 1 || limit > maxMax || window <= 0 || window > maxWindow {
		return Result{}, fmt.Errorf("%w: limit %d in %v", secondary.ErrInvalid, limit, window)
	}
	id := fingerprint{maphash.String(m.seeds[0], key), maphash.String(m.seeds[1], key)}
	return m.hit(id, limit, window, now), nil
}

// hitBytes is Hit for a key that was put together in a buffer.
func (m *Memory) hitBytes(key []byte, limit int, window time.Duration, now time.Time) Result {
	id := fingerprint{maphash.Bytes(m.seeds[0], key), maphash.Bytes(m.seeds[1], key)}
	return m.hit(id, limit, window, now)
}

func (m *Memory) hit(id fingerprint, limit int, window time.Duration, now time.Time) Result {
	at := m.instant(now)
	s := &m.shards[id[0]&uint64(len(m.shards)-1)]
	s.mu.Lock()
	log := s.logs[id]
	if log != nil {
		result := log.hit(at, limit, window)
		s.mu.Unlock()
		return result
	}
	if m.keys.Add(1) > m.maxKeys {
		m.keys.Add(-1)
		s.mu.Unlock()
		m.sweepSoon()
		wait := min(window, fullSweepEvery)
		return Result{Limit: limit, Window: window, Reset: wait, RetryAfter: wait}
	}
	result := s.add(id).hit(at, limit, window)
	s.mu.Unlock()
	m.sweepLater()
	return result
}

// instant puts an instant on the scale of the logs.
func (m *Memory) instant(now time.Time) int64 {
	switch {
	case !now.IsZero():
		return int64(now.Sub(m.epoch))
	case m.now != nil:
		return int64(m.now().Sub(m.epoch))
	}
	return int64(time.Since(m.epoch))
}

// Len returns the number of keys held, expired ones that were not swept yet
// among them.
func (m *Memory) Len() int { return int(m.keys.Load()) }

// Reset forgets all counts.
func (m *Memory) Reset() {
	for i := range m.shards {
		m.keys.Add(-m.shards[i].clear())
	}
}

// Close ends the sweeping of expired keys and waits for a sweep under way. A
// closed Memory still counts, but frees nothing any more. It returns nil.
func (m *Memory) Close() error {
	m.sweeping.Lock()
	defer m.sweeping.Unlock()
	m.closed = true
	if m.sweeper != nil {
		m.sweeper.Stop()
	}
	return nil
}

// sweepLater sees to it that a key just added will be swept one day.
func (m *Memory) sweepLater() {
	if m.scheduled.Load() {
		return
	}
	m.sweeping.Lock()
	defer m.sweeping.Unlock()
	if !m.scheduled.Load() {
		m.schedule(sweepEvery)
	}
}

// sweepSoon brings the next sweep forward, unless it is or is about to be.
func (m *Memory) sweepSoon() {
	if m.hurried.Load() || !m.sweeping.TryLock() {
		return
	}
	defer m.sweeping.Unlock()
	if !m.hurried.Load() {
		m.hurried.Store(true)
		m.schedule(fullSweepEvery)
	}
}

// schedule is called with sweeping held.
func (m *Memory) schedule(after time.Duration) {
	if m.closed {
		return
	}
	m.scheduled.Store(true)
	if m.sweeper == nil {
		m.sweeper = time.AfterFunc(after, m.sweep)
		return
	}
	m.sweeper.Reset(after)
}

func (m *Memory) sweep() {
	m.sweeping.Lock()
	defer m.sweeping.Unlock()
	if m.closed {
		return
	}
	at := m.instant(time.Time{})
	for i := range m.shards {
		m.keys.Add(-m.shards[i].sweep(at))
	}
	m.hurried.Store(false)
	// In this order: whoever adds a key after the count was read finds that
	// nothing is scheduled, and waits for the lock to do it himself.
	m.scheduled.Store(false)
	if m.keys.Load() > 0 {
		m.schedule(sweepEvery)
	}
}

// add is called with the lock held.
func (s *shard) add(id fingerprint) *hitLog {
	if s.logs == nil {
		s.logs = make(map[fingerprint]*hitLog)
	}
	log := newHitLog()
	s.logs[id] = log
	s.peak = max(s.peak, len(s.logs))
	return log
}

// sweep removes what has expired and returns how many that were.
func (s *shard) sweep(at int64) (gone int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, log := range s.logs {
		if log.expires <= at {
			delete(s.logs, id)
			gone++
		}
	}
	if len(s.logs) > s.peak/4 {
		return gone
	}
	var logs map[fingerprint]*hitLog
	if len(s.logs) > 0 {
		logs = make(map[fingerprint]*hitLog, len(s.logs))
		for id, log := range s.logs {
			logs[id] = log
		}
	}
	s.logs, s.peak = logs, len(logs)
	return gone
}

func (s *shard) clear() (gone int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone = int64(len(s.logs))
	s.logs, s.peak = nil, 0
	return gone
}

// hitLog holds the instants of a key's allowed hits in a ring, oldest first.
type hitLog struct {
	ring    []int64
	head    uint32
	held    uint32
	expires int64
	first   [1]int64 // the ring of a key with a single hit
}

func newHitLog() *hitLog {
	l := new(hitLog)
	l.ring = l.first[:]
	return l
}

func (l *hitLog) hit(at int64, limit int, window time.Duration) Result {
	length := int64(window)
	if l.held > 0 {
		// Callers that read the clock before another hit may come after it.
		at = max(at, l.instant(l.held-1))
		l.forget(at, length)
	}
	result := Result{Limit: limit, Window: window}
	if held := int(l.held); held >= limit {
		// More are held than the limit only if that has just been lowered.
		result.RetryAfter = time.Duration(length - (at - l.instant(uint32(held-limit))))
		result.Reset = result.RetryAfter
		return result
	}
	l.add(at, limit)
	l.expires = max(l.expires, at+length)
	result.Allowed = true
	result.Remaining = limit - int(l.held)
	result.Reset = time.Duration(length - (at - l.instant(0)))
	return result
}

// instant returns the i-th oldest.
func (l *hitLog) instant(i uint32) int64 {
	i += l.head
	if size := uint32(len(l.ring)); i >= size {
		i -= size
	}
	return l.ring[i]
}

// forget drops what has left the window that ends at the instant.
func (l *hitLog) forget(at, window int64) {
	if at-l.instant(l.held-1) >= window {
		l.head, l.held = 0, 0
		return
	}
	// The newest stays, so this ends.
	for at-l.ring[l.head] >= window {
		l.held--
		if l.head++; int(l.head) == len(l.ring) {
			l.head = 0
		}
	}
}

func (l *hitLog) add(at int64, limit int) {
	if int(l.held) == len(l.ring) {
		l.grow(limit)
	}
	i := l.head + l.held
	if size := uint32(len(l.ring)); i >= size {
		i -= size
	}
	l.ring[i] = at
	l.held++
}

func (l *hitLog) grow(limit int) {
	ring := make([]int64, min(2*len(l.ring), limit))
	n := copy(ring, l.ring[l.head:])
	copy(ring[n:], l.ring[:l.head])
	l.ring, l.head = ring, 0
}
