package faults

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// conn is a connection whose statements can be made to fail. Like every
// driver.Conn it is used by one goroutine at a time.
type conn struct {
	realConn
	held *sql.Conn // realConn's place in the inner pool
	*connector

	tx   driver.Tx // the real transaction that is open
	dead bool
	// aborted is what the server answers until the transaction ends.
	aborted error
	// counted tells that the driver, which would rather have the statement
	// prepared, has been asked to carry it out, and that it has been counted.
	counted bool
}

var (
	_ driver.Validator         = (*conn)(nil)
	_ driver.NamedValueChecker = (*conn)(nil)
)

// statement carries a statement out unless it is to fail. do is told when nobody
// will see what it returns.
func (c *conn) statement(do func(lost bool) error) error {
	switch {
	case c.dead:
		return driver.ErrBadConn
	case c.aborted != nil:
		return c.aborted
	}
	kind := none
	if !c.counted {
		kind = c.injector.next()
	}
	c.counted = false
	switch kind {
	case none:
		err := do(false)
		c.counted = errors.Is(err, driver.ErrSkip)
		return err
	case Reset:
		return c.drop()
	case Lost:
		if err := do(true); err != nil {
			return err
		}
		return c.drop()
	}
	err := c.system.conflict(kind)
	if c.tx != nil {
		c.system.lose(c)
	}
	return err
}

// drop ends the connection and returns what the driver says then.
func (c *conn) drop() error {
	c.dead = true
	if c.inMemory {
		if c.tx != nil {
			_ = c.tx.Rollback()
		}
		return c.system.reset
	}
	// This is how the inner pool is made to close it.
	_ = c.held.Raw(func(any) error { return driver.ErrBadConn })
	return c.system.reset
}

// Close gives the connection back to the inner pool, if there still is one.
func (c *conn) Close() error {
	if err := c.held.Close(); !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

// IsValid implements [driver.Validator].
func (c *conn) IsValid() bool {
	if c.dead {
		return false
	}
	v, ok := c.realConn.(driver.Validator)
	return !ok || v.IsValid()
}

// ResetSession implements [driver.SessionResetter].
func (c *conn) ResetSession(ctx context.Context) error {
	if c.dead {
		return driver.ErrBadConn
	}
	return c.realConn.ResetSession(ctx)
}

// CheckNamedValue implements [driver.NamedValueChecker].
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.realConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// ExecContext implements [driver.ExecerContext].
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	err = c.statement(func(bool) (err error) {
		r, err = c.realConn.ExecContext(ctx, query, args)
		return err
	})
	return r, err
}

// QueryContext implements [driver.QueryerContext].
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(func() (driver.Rows, error) { return c.realConn.QueryContext(ctx, query, args) })
}

func (c *conn) query(do func() (driver.Rows, error)) (rows driver.Rows, err error) {
	err = c.statement(func(lost bool) (err error) {
		rows, err = do()
		if err == nil && lost {
			drain(rows)
			rows = nil
		}
		return err
	})
	return rows, err
}

// drain makes sure that the server has done all of what the rows are from.
func drain(rows driver.Rows) {
	values := make([]driver.Value, len(rows.Columns()))
	for rows.Next(values) == nil {
		continue
	}
	_ = rows.Close()
}

// Prepare implements [driver.Conn].
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext implements [driver.ConnPrepareContext]. It is no statement yet.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if c.dead {
		return nil, driver.ErrBadConn
	}
	real, err := c.realConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &stmt{Stmt: real, conn: c}, nil
}

// Begin implements [driver.Conn].
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx implements [driver.ConnBeginTx].
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	err := c.statement(func(bool) (err error) {
		c.tx, err = c.realConn.BeginTx(ctx, options)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tx{c}, nil
}

// tx is the transaction that is open on a connection.
type tx struct{ conn *conn }

// Commit implements [driver.Tx].
func (x tx) Commit() error {
	c := x.conn
	if c.aborted != nil {
		return errors.Join(c.system.commitAborted, x.Rollback())
	}
	real := c.tx
	err := c.statement(func(bool) error {
		c.tx = nil
		return real.Commit()
	})
	if c.tx != nil && !c.dead {
		_ = x.Rollback() // the server has done it
	}
	c.tx = nil
	return err
}

// Rollback implements [driver.Tx].
func (x tx) Rollback() error {
	c := x.conn
	real := c.tx
	c.tx, c.aborted = nil, nil
	if c.dead {
		return driver.ErrBadConn
	}
	return real.Rollback()
}

// stmt is a prepared statement.
type stmt struct {
	driver.Stmt
	conn *conn
}

// ExecContext implements [driver.StmtExecContext].
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	err = s.conn.statement(func(bool) (err error) {
		r, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	})
	return r, err
}

// QueryContext implements [driver.StmtQueryContext].
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.query(func() (driver.Rows, error) { return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args) })
}

// CheckNamedValue implements [driver.NamedValueChecker].
func (s *stmt) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}
