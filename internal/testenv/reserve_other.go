//go:build !linux

package testenv

// reserve leaves the choice of the port to the listener. Asking for the same
// port again later almost always succeeds.
func reserve() (addr string, release func(), err error) {
	return "127.0.0.1:0", func() {}, nil
}
