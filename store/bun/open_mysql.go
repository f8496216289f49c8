package bunstore

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/feature"
	"github.com/uptrace/bun/dialect/mysqldialect"
)

func openMySQL(rawURL string, o *options) (*bun.DB, error) {
	config, err := mysqlConfig(rawURL, o)
	if err != nil {
		return nil, err
	}
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, errors.New(badHost)
	}
	// The driver's own time-out does not cover the greeting of the server.
	pool := o.pool(sql.OpenDB(hasty{connector, config.Timeout}), serverSize(), connectionLife)
	return bun.NewDB(pool, newMySQLDialect(strings.HasPrefix(rawURL, "mariadb:"))), nil
}

func mysqlConfig(rawURL string, o *options) (*mysqldriver.Config, error) {
	u, problem := serverURL(rawURL)
	if problem != "" {
		return nil, errors.New(problem)
	}
	for name := range u.Query() {
		switch name {
		case "tls", "tls_ca", "socket", "connect_timeout":
		default:
			return nil, errors.New("a parameter is none of tls, tls_ca, socket, connect_timeout")
		}
	}
	config := mysqldriver.NewConfig()
	seconds, err := strconv.ParseUint(cmp.Or(u.Query().Get("connect_timeout"), "5"), 10, 16)
	if err != nil || seconds == 0 {
		return nil, errors.New("the parameter connect_timeout is no number of seconds")
	}
	config.Timeout = time.Duration(seconds) * time.Second
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.DBName = strings.TrimPrefix(u.Path, "/")
	if config.DBName == "" {
		return nil, errors.New("the name of the database is missing after the host, as in mysql://user@host/database")
	}
	if err := mysqlAddress(config, u); err != nil {
		return nil, err
	}
	if err := mysqlTLS(config, u.Query()); err != nil {
		return nil, err
	}
	config.Collation = "utf8mb4_general_ci" // one that both servers know
	config.Loc = time.UTC
	config.ParseTime = true
	// A row that matches and has the values already counts.
	config.ClientFoundRows = true
	// One round trip a statement. The driver escapes by the mode that the server
	// reports with every answer.
	config.InterpolateParams = true
	config.CheckConnLiveness = true
	// After a fail-over the old primary can only be read.
	config.RejectReadOnly = true
	config.Logger = &mysqldriver.NopLogger{} // the default writes to the standard error
	limit := o.handOver()
	if limit > 0 {
		// Of a server that has gone without a word nothing else tells.
		config.ReadTimeout = limit + connectTimeout
		config.WriteTimeout = limit + connectTimeout
	}
	config.Params = mysqlSession(limit)
	return config, nil
}

func mysqlAddress(config *mysqldriver.Config, u *url.URL) error {
	socket := u.Query().Get("socket")
	switch {
	case socket != "" && u.Host != "":
		return errors.New("there is both a host and the parameter socket")
	case socket != "":
		config.Net, config.Addr = "unix", socket
	case u.Hostname() == "":
		return errors.New("the host is missing, as in mysql://user@host/database")
	default:
		config.Net, config.Addr = "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "3306"))
	}
	return nil
}

func mysqlTLS(config *mysqldriver.Config, parameters url.Values) error {
	mode := parameters.Get("tls")
	if mode == "" {
		mode = "preferred"
		if config.Net == "unix" {
			mode = "false"
		}
	}
	authorities := parameters.Get("tls_ca")
	if authorities != "" && mode != "true" {
		return errors.New("the parameter tls_ca needs tls=true")
	}
	switch mode {
	case "true", "skip-verify", "preferred", "false":
		config.TLSConfig = mode
	default:
		return errors.New("the parameter tls is none of true, skip-verify, preferred, false")
	}
	if authorities == "" {
		return nil
	}
	pem, err := os.ReadFile(authorities)
	if err != nil {
		return errors.New("the parameter tls_ca names a file that cannot be read")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("the parameter tls_ca names a file without a certificate")
	}
	config.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return nil
}

// mysqlSession is what every connection begins with, as names and values for
// one SET. What one kind of server does not know stands in a comment that the
// other kind executes; MariaDB skips those numbered as of 5.7 to 9.
func mysqlSession(limit time.Duration) map[string]string {
	session := map[string]string{
		"time_zone": "'+00:00'",
		"sql_mode":  "'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
	}
	mariaDB, mySQL := "tx_isolation = 'READ-COMMITTED'", "transaction_isolation = 'READ-COMMITTED'"
	if limit > 0 {
		mariaDB += ", max_statement_time = " + strconv.FormatFloat(limit.Seconds(), 'f', 3, 64)
		mySQL += ", max_execution_time = " + strconv.FormatInt(milliseconds(limit), 10)
		session["innodb_lock_wait_timeout"] = strconv.FormatInt(max(1, int64(limit/time.Second)), 10)
	}
	session["time_zone"] += " /*M!100000 , " + mariaDB + " */ /*!80000 , " + mySQL + " */"
	return session
}

// mysqlDialect is Bun's, with what it would otherwise find out by asking the
// server, and waiting for it, when the pool is made.
type mysqlDialect struct {
	*mysqldialect.Dialect
	features feature.Feature
}

func newMySQLDialect(mariaDB bool) mysqlDialect {
	d := mysqlDialect{Dialect: mysqldialect.New()}
	d.features = d.Dialect.Features() | feature.CTE
	if mariaDB {
		d.features |= feature.CreateIndexIfNotExists | feature.DeleteReturning | feature.InsertReturning
	}
	return d
}

func (mysqlDialect) Init(*sql.DB) {}

func (d mysqlDialect) Features() feature.Feature { return d.features }
