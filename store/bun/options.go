package bunstore

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary/ostiary/store"
)

// Option changes a default of [Open] or [New]. A value that makes no sense is
// an error of Open, and with New one of every call of the store, which is
// [store.ErrInvalid] and names the option.
type Option func(*options)

// options are the settings of a store. What is nil was not asked for.
type options struct {
	maxOpen, maxIdle *int
	lifetime, idle   *time.Duration
	acquire          time.Duration
	statement        *time.Duration
	groups           []MigrationGroup
	errs             []error
}

func settings(given []Option) (*options, error) {
	o := &options{acquire: acquireTimeout}
	for _, option := range given {
		if option != nil {
			option(o)
		}
	}
	if o.maxOpen != nil && o.maxIdle != nil && *o.maxIdle > *o.maxOpen {
		o.refuse("MaxIdle(%d) is more than MaxOpen(%d)", *o.maxIdle, *o.maxOpen)
	}
	if err := errors.Join(o.errs...); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	return o, nil
}

func (o *options) refuse(format string, args ...any) {
	o.errs = append(o.errs, fmt.Errorf("option "+format, args...))
}

// MaxOpen sets how many connections the pool holds at most: four a CPU by
// default, ten at least; for a file of SQLite one a CPU, four at least. One is
// enough for every call of the store, also inside [Store.Tx]. All processes
// together must stay below what the server takes.
//
// Like [MaxIdle], [MaxLifetime] and [MaxIdleTime] it sets the pool of [Open];
// given to [New] it sets the pool of the *bun.DB for everybody who uses that.
// None of the four changes the one connection that is an in-memory SQLite
// database of Open; such a one that is given to New has to be limited to one
// connection, for ever, by whoever made it.
func MaxOpen(connections int) Option {
	return func(o *options) {
		if connections < 1 {
			o.refuse("MaxOpen(%d): the pool needs a connection", connections)
		}
		o.maxOpen = &connections
	}
}

// MaxIdle sets how many connections stay open while nobody uses them: as many
// as MaxOpen by default, so that a burst of requests finds them. Zero closes
// each after its use.
func MaxIdle(connections int) Option {
	return func(o *options) {
		if connections < 0 {
			o.refuse("MaxIdle(%d) is negative", connections)
		}
		o.maxIdle = &connections
	}
}

// MaxLifetime sets after how long a connection is replaced, which is how a
// fail-over, or a new address behind the name, is noticed: 30 minutes by
// default. Zero keeps connections for ever, which is what SQLite does.
func MaxLifetime(d time.Duration) Option {
	return func(o *options) { o.lifetime = o.duration("MaxLifetime", d) }
}

// MaxIdleTime sets after how long unused a connection is closed: 5 minutes by
// default. Zero lets it stay.
func MaxIdleTime(d time.Duration) Option {
	return func(o *options) { o.idle = o.duration("MaxIdleTime", d) }
}

// AcquireTimeout sets how long a call waits for a connection: for one of the
// pool to be free or, where the pool may still grow, for a new one, so it should
// be longer than connecting takes. A transaction waits as long to begin, the
// server's answer included. On SQLite a writer waits as long for the writers
// before it. Beyond that, the call is
// [store.ErrUnavailable]. The default is 5 seconds; a context that ends earlier
// ends the wait earlier, and with zero it alone does.
func AcquireTimeout(d time.Duration) Option {
	return func(o *options) { o.acquire = *o.duration("AcquireTimeout", d) }
}

// StatementTimeout sets how long one statement may run; one that takes longer
// is stopped, and the call is [store.ErrUnavailable]. Zero is no limit but the
// context's.
//
// With [Open] the server of PostgreSQL or MariaDB watches over it, also for the
// application's own queries; the default is 30 seconds, and a
// statement_timeout in the URL wins over the option. MySQL stops only queries
// so, and writes when they wait for a row that long (in whole seconds). A server
// that has not answered five seconds after that is given up: on PostgreSQL by
// the store, for its own statements and the commit of [Store.Tx], on MySQL and
// MariaDB by the connection, for everything.
//
// On SQLite and SQL Server, and with [New], the store ends the context of its
// own statements and of the commit, and there is no limit by default.
func StatementTimeout(d time.Duration) Option {
	return func(o *options) { o.statement = o.duration("StatementTimeout", d) }
}

// Migrations adds groups of the application's own migrations, which
// [Store.Migrate] runs after it has made the tables of the schema. Given more
// than once, the groups add up.
func Migrations(groups ...MigrationGroup) Option {
	return func(o *options) { o.groups = append(o.groups, groups...) }
}

func (o *options) duration(name string, d time.Duration) *time.Duration {
	if d < 0 {
		o.refuse("%s(%v) is negative", name, d)
	}
	return &d
}

// pool sets up a pool of Open's: what was asked for, over the defaults.
func (o *options) pool(db *sql.DB, size int, life time.Duration) *sql.DB {
	if o.maxOpen != nil {
		size = *o.maxOpen
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxLifetime(life)
	db.SetConnMaxIdleTime(connectionIdle)
	o.apply(db)
	return db
}

// apply sets what was asked for, and nothing else.
func (o *options) apply(db *sql.DB) {
	if o.maxOpen != nil {
		db.SetMaxOpenConns(*o.maxOpen)
	}
	if o.maxIdle != nil {
		db.SetMaxIdleConns(*o.maxIdle)
	}
	if o.lifetime != nil {
		db.SetConnMaxLifetime(*o.lifetime)
	}
	if o.idle != nil {
		db.SetConnMaxIdleTime(*o.idle)
	}
}

// handOver is how long a statement may run where the server watches over it, so
// that the store need not.
func (o *options) handOver() time.Duration {
	limit := statementTimeout
	if o.statement != nil {
		limit = *o.statement
	}
	o.statement = nil
	return limit
}
