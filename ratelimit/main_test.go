package ratelimit_test

import (
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// together runs f in n goroutines that start at the same moment and returns
// how many answered true.
func together(n int, f func(i int) bool) (yes int) {
	var ready, done sync.WaitGroup
	var mu sync.Mutex
	start := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			if f(i) {
				mu.Lock()
				yes++
				mu.Unlock()
			}
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return yes
}
