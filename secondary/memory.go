package secondary

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultMaxEntries = 1_000_000

	// sweepEvery bounds how long an expired entry stays in memory.
	sweepEvery = time.Second
	// sweepStep is how many entries go while a lock is held; it keeps the wait
	// of a caller far below a millisecond.
	sweepStep = 128

	// Below minSharded entries a Memory is one shard, and which entry expires
	// soonest is exact.
	shards     = 64
	minSharded = 64 * 1024
)

// MemoryOptions adjusts a [Memory]. The zero value is a good default.
type MemoryOptions struct {
	// MaxEntries bounds the memory in use: the most values and members of sets
	// held at once. 0 or less is 1,000,000, which take some 160 MB beside the
	// values themselves.
	//
	// To make room for one more, an expired entry goes first, and if there is
	// none the one that expires soonest: a short-lived count or one-time value
	// rather than a session. It is lost before its time, which
	// [Memory.Evicted] counts. From 65,536 on, the entries are spread by key
	// over parts with an equal share of the room, and a part that is full
	// makes room among its own.
	MaxEntries int
	// Now is the clock, [time.Now] when nil. It must be safe for concurrent
	// use.
	Now func() time.Time
}

// Memory is a [Storage] in the memory of this process. What it holds is gone
// when the process ends and unknown to any other process: it is for
// development, tests and applications that run as one process.
//
// Entries leave memory within two seconds or so of expiring, touched or not.
// A running Memory has one goroutine for that; Close stops it. After Close
// every call returns [ErrUnavailable].
//
// A Memory is safe for concurrent use.
type Memory struct {
	now     func() time.Time
	start   time.Time
	seed    maphash.Seed
	shards  []shard
	evicted atomic.Uint64

	closed  atomic.Bool
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

// entry is a value, or one member of a set. Members expire one by one, which
// makes a set go with its last member without further bookkeeping.
type entry struct {
	key      string
	member   string
	isMember bool
	value    []byte
	// due is when the entry expires, since Memory.start. Time since an instant
	// is immune to changes of the wall clock.
	due   time.Duration
	index int
}

type shard struct {
	mu     sync.Mutex
	max    int
	values map[string]*entry
	sets   map[string]map[string]*entry
	queue  dueQueue
}

// NewMemory returns an empty storage in memory. Call Close when done with it.
func NewMemory(opt MemoryOptions) *Memory {
	if opt.MaxEntries <= 0 {
		opt.MaxEntries = defaultMaxEntries
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	n := 1
	if opt.MaxEntries >= minSharded {
		n = shards
	}
	m := &Memory{
		now:     opt.Now,
		start:   opt.Now(),
		seed:    maphash.MakeSeed(),
		shards:  make([]shard, n),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	for i := range m.shards {
		m.shards[i] = shard{
			max:    opt.MaxEntries / n,
			values: map[string]*entry{},
			sets:   map[string]map[string]*entry{},
		}
	}
	go m.sweepUntilClosed()
	return m
}

// Get implements [Storage].
func (m *Memory) Get(ctx context.Context, key string) ([]byte, error) {
	if err := m.ready(ctx, "get"); err != nil {
		return nil, err
	}
	s := m.lock(key)
	defer s.mu.Unlock()
	e := s.live(key, m.elapsed())
	if e == nil {
		return nil, fmt.Errorf("memory: get: %w", ErrNotFound)
	}
	return bytes.Clone(e.value), nil
}

// Set implements [Storage].
func (m *Memory) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := m.readyFor(ctx, "set", ttl); err != nil {
		return err
	}
	s := m.lock(key)
	defer s.mu.Unlock()
	now := m.elapsed()
	if e := s.values[key]; e != nil {
		e.value = bytes.Clone(value)
		s.move(e, after(now, ttl))
		return nil
	}
	m.add(s, &entry{key: key, value: bytes.Clone(value), due: after(now, ttl)}, now)
	return nil
}

// SetIfExists implements [Storage].
func (m *Memory) SetIfExists(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	if err := m.readyFor(ctx, "set if exists", ttl); err != nil {
		return false, err
	}
	s := m.lock(key)
	defer s.mu.Unlock()
	now := m.elapsed()
	e := s.live(key, now)
	if e == nil {
		return false, nil
	}
	e.value = bytes.Clone(value)
	s.move(e, after(now, ttl))
	return true, nil
}

// Delete implements [Storage].
func (m *Memory) Delete(ctx context.Context, keys ...string) error {
	if err := m.ready(ctx, "delete"); err != nil {
		return err
	}
	defer unlockAll(m.lockAll(keys))
	for _, key := range keys {
		s := m.shard(key)
		if e := s.values[key]; e != nil {
			s.remove(e)
		}
		for _, e := range s.sets[key] {
			s.remove(e)
		}
	}
	return nil
}

// Take implements [Storage].
func (m *Memory) Take(ctx context.Context, key string) ([]byte, error) {
	if err := m.ready(ctx, "take"); err != nil {
		return nil, err
	}
	s := m.lock(key)
	defer s.mu.Unlock()
	e := s.live(key, m.elapsed())
	if e == nil {
		return nil, fmt.Errorf("memory: take: %w", ErrNotFound)
	}
	s.remove(e)
	return e.value, nil
}

// Increment implements [Storage]. The number is kept as decimal text, which
// is what Get returns; a value that is not a number, or cannot grow, is
// [ErrInvalid].
func (m *Memory) Increment(ctx context.Context, key string, ttl time.Duration) (int64, error) {
	if err := m.readyFor(ctx, "increment", ttl); err != nil {
		return 0, err
	}
	s := m.lock(key)
	defer s.mu.Unlock()
	now := m.elapsed()
	e := s.live(key, now)
	if e == nil {
		if stale := s.values[key]; stale != nil {
			s.remove(stale)
		}
		m.add(s, &entry{key: key, value: []byte("1"), due: after(now, ttl)}, now)
		return 1, nil
	}
	n, err := strconv.ParseInt(string(e.value), 10, 64)
	if err != nil || n == math.MaxInt64 {
		return 0, fmt.Errorf("memory: increment what is no number: %w", ErrInvalid)
	}
	e.value = strconv.AppendInt(e.value[:0], n+1, 10)
	return n + 1, nil
}

// AddMember implements [Storage].
func (m *Memory) AddMember(ctx context.Context, key, member string, until time.Time) error {
	if err := m.ready(ctx, "add member"); err != nil {
		return err
	}
	s := m.lock(key)
	defer s.mu.Unlock()
	clock := m.now()
	now := clock.Sub(m.start)
	left := until.Sub(clock)
	e := s.sets[key][member]
	switch {
	case left <= 0 && e != nil:
		s.remove(e)
	case left <= 0:
	case e != nil:
		s.move(e, after(now, left))
	default:
		m.add(s, &entry{key: key, member: member, isMember: true, due: after(now, left)}, now)
	}
	return nil
}

// RemoveMember implements [Storage].
func (m *Memory) RemoveMember(ctx context.Context, key string, members ...string) error {
	if err := m.ready(ctx, "remove member"); err != nil {
		return err
	}
	s := m.lock(key)
	defer s.mu.Unlock()
	for _, member := range members {
		if e := s.sets[key][member]; e != nil {
			s.remove(e)
		}
	}
	return nil
}

// Members implements [Storage].
func (m *Memory) Members(ctx context.Context, key string) ([]string, error) {
	if err := m.ready(ctx, "members"); err != nil {
		return nil, err
	}
	live := m.shard(key).liveMembers(key, m.elapsed())
	slices.SortFunc(live, func(a, b liveMember) int { return cmp.Compare(a.due, b.due) })
	members := make([]string, 0, len(live))
	for _, l := range live {
		members = append(members, l.name)
	}
	return members, nil
}

// Ping implements [Storage].
func (m *Memory) Ping(ctx context.Context) error { return m.ready(ctx, "ping") }

// Close stops the goroutine that removes expired entries and lets go of all
// entries. Closing again does nothing. It never fails.
func (m *Memory) Close() error {
	m.once.Do(func() {
		m.closed.Store(true)
		close(m.stop)
		<-m.stopped
		for i := range m.shards {
			m.shards[i].clear()
		}
	})
	return nil
}

// Len returns how many entries are held, values and members of sets, expired
// ones that have not been removed yet among them.
func (m *Memory) Len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += len(s.queue)
		s.mu.Unlock()
	}
	return n
}

// Evicted returns how many entries were removed before their time to make
// room. Anything but 0 means that [MemoryOptions.MaxEntries] is too small:
// counts, one-time values or sessions have been lost.
func (m *Memory) Evicted() uint64 { return m.evicted.Load() }

func (m *Memory) ready(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: %s: %w", op, err)
	}
	if m.closed.Load() {
		return fmt.Errorf("memory: %s: closed: %w", op, ErrUnavailable)
	}
	return nil
}

func (m *Memory) readyFor(ctx context.Context, op string, ttl time.Duration) error {
	if err := m.ready(ctx, op); err != nil {
		return err
	}
	if ttl <= 0 {
		return fmt.Errorf("memory: %s: time to live %s: %w", op, ttl, ErrInvalid)
	}
	return nil
}

func (m *Memory) elapsed() time.Duration { return m.now().Sub(m.start) }

func (m *Memory) index(key string) int {
	return int(maphash.String(m.seed, key) % uint64(len(m.shards)))
}

func (m *Memory) shard(key string) *shard { return &m.shards[m.index(key)] }

func (m *Memory) lock(key string) *shard {
	s := m.shard(key)
	s.mu.Lock()
	return s
}

// lockAll locks the shards of the keys, in one order for all callers so that
// two of them never wait for each other.
func (m *Memory) lockAll(keys []string) []*shard {
	indexes := make([]int, 0, len(keys))
	for _, key := range keys {
		indexes = append(indexes, m.index(key))
	}
	slices.Sort(indexes)
	locked := make([]*shard, 0, len(keys))
	for _, i := range slices.Compact(indexes) {
		m.shards[i].mu.Lock()
		locked = append(locked, &m.shards[i])
	}
	return locked
}

func unlockAll(locked []*shard) {
	for _, s := range locked {
		s.mu.Unlock()
	}
}

// add puts a new entry into its locked shard and makes room for it first.
func (m *Memory) add(s *shard, e *entry, now time.Duration) {
	for len(s.queue) >= s.max {
		soonest := s.queue[0]
		if soonest.due > now {
			m.evicted.Add(1)
		}
		s.remove(soonest)
	}
	s.insert(e)
}

func (m *Memory) sweepUntilClosed() {
	defer close(m.stopped)
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-ticker.C:
			m.sweep()
		}
	}
}

// sweep takes the shards in turn, a step each, so that whoever waits for one
// gets it while the others have theirs.
func (m *Memory) sweep() {
	now := m.elapsed()
	for more := true; more && !m.closed.Load(); {
		more = false
		for i := range m.shards {
			more = m.shards[i].sweep(now) || more
		}
	}
}

// live returns the unexpired value under the key, or nil.
func (s *shard) live(key string, now time.Duration) *entry {
	e := s.values[key]
	if e == nil || e.due <= now {
		return nil
	}
	return e
}

type liveMember struct {
	name string
	due  time.Duration
}

func (s *shard) liveMembers(key string, now time.Duration) []liveMember {
	s.mu.Lock()
	defer s.mu.Unlock()
	live := make([]liveMember, 0, len(s.sets[key]))
	for _, e := range s.sets[key] {
		if e.due > now {
			live = append(live, liveMember{e.member, e.due})
		}
	}
	return live
}

func (s *shard) insert(e *entry) {
	heap.Push(&s.queue, e)
	if !e.isMember {
		s.values[e.key] = e
		return
	}
	if s.sets[e.key] == nil {
		s.sets[e.key] = map[string]*entry{}
	}
	s.sets[e.key][e.member] = e
}

func (s *shard) move(e *entry, due time.Duration) {
	e.due = due
	heap.Fix(&s.queue, e.index)
}

func (s *shard) remove(e *entry) {
	heap.Remove(&s.queue, e.index)
	if !e.isMember {
		delete(s.values, e.key)
		return
	}
	set := s.sets[e.key]
	delete(set, e.member)
	if len(set) == 0 {
		delete(s.sets, e.key)
	}
}

// sweep removes a few expired entries and reports whether there may be more.
func (s *shard) sweep(now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range sweepStep {
		if len(s.queue) == 0 || s.queue[0].due > now {
			return false
		}
		s.remove(s.queue[0])
	}
	return true
}

func (s *shard) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.values)
	clear(s.sets)
	s.queue = nil
}

// dueQueue is a heap with the entry that expires soonest in front.
type dueQueue []*entry

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *dueQueue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *dueQueue) Pop() any {
	old := *q
	last := len(old) - 1
	e := old[last]
	old[last] = nil
	*q = old[:last]
	return e
}

// after is now plus d, the greatest duration where that is out of range.
func after(now, d time.Duration) time.Duration {
	if d > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + d
}
