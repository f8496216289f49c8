package bunstore

import (
	"database/sql"
	"errors"

	mssqldriver "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mssqldialect"
)

func openSQLServer(rawURL string, o *options) (*bun.DB, error) {
	u, problem := serverURL(rawURL)
	if problem != "" {
		return nil, errors.New(problem)
	}
	if u.Hostname() == "" {
		return nil, errors.New("the host is missing, as in sqlserver://user@host?database=name")
	}
	config, err := msdsn.Parse(rawURL)
	if err != nil {
		// The driver's own error may quote the URL.
		return nil, errors.New("a parameter has a value that go-mssqldb does not take, or names a file that cannot be read")
	}
	if config.Database == "" {
		return nil, errors.New("the name of the database is missing, as in sqlserver://user@host?database=name")
	}
	pool := o.pool(sql.OpenDB(hasty{mssqldriver.NewConnectorConfig(config), connectTimeout}), serverSize(), connectionLife)
	return bun.NewDB(pool, mssqlDialect{mssqldialect.New()}), nil
}

// mssqlDialect is Bun's, without the question that it asks the server, and
// makes no use of the answer to, when the pool is made.
type mssqlDialect struct{ *mssqldialect.Dialect }

func (mssqlDialect) Init(*sql.DB) {}
