package main

import (
	"sync/atomic"
	"time"
)

// clock is the time of the whole process, which tests move. It is safe for
// concurrent use; the zero value is the machine's time.
type clock struct{ ahead atomic.Int64 } // nanoseconds

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }
