package cli

import "time"

const (
	// patience is how long work goes on before the first word about it, and
	// between one and the next.
	patience = 10 * time.Second
	// progressEvery is the least time between two lines of progress.
	progressEvery = time.Second
)

// patiently calls do and says now and then that it goes on.
func (r *run) patiently(doing string, do func() error) error {
	var (
		stop  = make(chan struct{})
		ended = make(chan struct{})
		start = time.Now()
	)
	go func() {
		defer close(ended)
		ticker := time.NewTicker(patience)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				r.note("… %s (%v)", doing, time.Since(start).Round(time.Second))
			}
		}
	}()
	// Also when do panics: nobody may write to the caller's writers later.
	defer func() { close(stop); <-ended }()
	return do()
}
