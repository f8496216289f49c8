package faults

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	bunstore "github.com/ostiary/ostiary/store/bun"
)

// Database is a store whose statements can be made to fail.
type Database struct {
	*bunstore.Store
	pool  *sql.DB
	inner *bunstore.Store
}

// Open is [bunstore.Open] with an injector between the pool and the driver.
func Open(url string, i *Injector, options ...bunstore.Option) (*Database, error) {
	inner, err := bunstore.Open(url, options...)
	if err != nil {
		return nil, err
	}
	c := &connector{
		inner: inner.DB().DB, injector: i,
		system:   systems[inner.DB().Dialect().Name()],
		inMemory: url == "sqlite::memory:",
	}
	pool := sql.OpenDB(c)
	st := bunstore.New(bun.NewDB(pool, inner.DB().Dialect()), options...)
	// More than the inner pool gives would wait for each other.
	size := c.inner.Stats().MaxOpenConnections
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return &Database{Store: st, pool: pool, inner: inner}, nil
}

// Close closes the database, which is the store's own.
func (d *Database) Close() error { return errors.Join(d.pool.Close(), d.inner.Close()) }

// connector takes connections out of the inner pool, for as long as the outer
// one has them.
type connector struct {
	inner    *sql.DB
	injector *Injector
	system   system
	// inMemory tells that the one connection is the database.
	inMemory bool
}

func (c *connector) Driver() driver.Driver { return c.inner.Driver() }

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	held, err := c.inner.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var real realConn
	err = held.Raw(func(driverConn any) error {
		var ok bool
		if real, ok = driverConn.(realConn); !ok {
			return fmt.Errorf("a %T is no connection that can be made to fail", driverConn)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return &conn{realConn: real, held: held, connector: c}, nil
}

// realConn is what the connections of all drivers can.
type realConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}
