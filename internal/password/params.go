package password

import "fmt"

// Bounds on the costs of a hash, whether configured or stored. Whoever can
// write a hash into the database must not be able to stop the server by
// signing in with it.
const (
	maxMemory     = 1 << 20 // KiB, so 1 GiB
	maxTime       = 10
	maxThreads    = 16
	maxBcryptCost = 15
)

// Params are the costs of an Argon2id hash (RFC 9106). A zero field has its
// default; together the defaults are what OWASP's Password Storage Cheat Sheet
// names first.
type Params struct {
	// Memory in KiB. Default: 19456, which is 19 MiB.
	Memory uint32
	// Time is the number of passes over the memory. Default: 2.
	Time uint32
	// Threads is the number of lanes, computed in parallel. Default: 1.
	Threads uint8
}

func (p Params) withDefaults() Params {
	if p.Memory == 0 {
		p.Memory = 19456
	}
	if p.Time == 0 {
		p.Time = 2
	}
	if p.Threads == 0 {
		p.Threads = 1
	}
	return p
}

// Check returns an error when the parameters, zero fields as defaults, are
// weaker than OWASP ASVS 5.0 allows (appendix C: 46 MiB in one pass, 19 MiB
// in two, 12 MiB in three or more), or so high that a hash could stop a server
// (more than 1 GiB, 10 passes or 16 threads).
func (p Params) Check() error {
	p = p.withDefaults()
	floor := uint32(12 << 10)
	switch p.Time {
	case 1:
		floor = 46 << 10
	case 2:
		floor = 19 << 10
	}
	switch {
	case p.Memory < floor:
		return fmt.Errorf("password: Params.Memory %d KiB: with Time %d it must be at least %d", p.Memory, p.Time, floor)
	case p.Memory > maxMemory:
		return fmt.Errorf("password: Params.Memory %d KiB: must be at most %d", p.Memory, maxMemory)
	case p.Time > maxTime:
		return fmt.Errorf("password: Params.Time %d: must be at most %d", p.Time, maxTime)
	case p.Threads > maxThreads:
		return fmt.Errorf("password: Params.Threads %d: must be at most %d", p.Threads, maxThreads)
	}
	return nil
}
