package faults

import (
	"context"
	"net"
	"os"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	bundialect "github.com/uptrace/bun/dialect"
)

// system is how one kind of database fails.
type system struct {
	// conflict is the error of a statement that has lost.
	conflict func(Kind) error
	// lose leaves the open transaction as the server does after that.
	lose func(*conn)
	// commitAborted is what a commit after that is told, nil for nothing.
	commitAborted error
	// reset is the error of a statement whose connection has gone.
	reset error
}

var systems = map[bundialect.Name]system{
	bundialect.PG: {
		conflict: func(k Kind) error {
			return &pgconn.PgError{Severity: "ERROR", Code: string(k), Message: "could not serialize access, as the test has it"}
		},
		// Until it ends, the transaction answers nothing else.
		lose: func(c *conn) {
			c.aborted = &pgconn.PgError{
				Severity: "ERROR", Code: "25P02", Message: "current transaction is aborted, commands ignored until end of transaction block",
			}
		},
		commitAborted: pgx.ErrTxCommitRollback,
		reset:         &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
	},
	bundialect.MySQL: {
		conflict: func(Kind) error {
			return &mysql.MySQLError{
				Number: 1213, SQLState: [5]byte{'4', '0', '0', '0', '1'}, Message: "Deadlock found when trying to get lock; try restarting transaction",
			}
		},
		// The transaction is gone, and what comes now is in none.
		lose: func(c *conn) {
			_, _ = c.realConn.ExecContext(context.Background(), "ROLLBACK", nil)
		},
		reset: mysql.ErrInvalidConn,
	},
	bundialect.SQLite: {
		conflict: func(Kind) error { return sqliteError{5, "database is locked (5) (SQLITE_BUSY)"} },
		lose:     func(*conn) {}, // the statement has failed, and nothing else
		reset:    sqliteError{10, "disk I/O error (10)"},
	},
}

// sqliteError has the methods of the driver's own error, which nobody else can
// make.
type sqliteError struct {
	code    int
	message string
}

func (e sqliteError) Error() string { return e.message }

// Code is the result code.
func (e sqliteError) Code() int { return e.code }
