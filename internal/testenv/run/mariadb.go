//go:build unix

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

const mariaImage = "mariadb:11"

var mariaDB = service{
	name:     "MariaDB",
	env:      "OSTIARY_TEST_MYSQL",
	programs: []string{"mariadb-install-db", "mariadbd"},
	// Not mariadb-server, which starts one for the whole machine.
	debian:    "mariadb-server-core mariadb-client-core",
	brew:      "mariadb",
	image:     mariaImage,
	local:     localMaria,
	container: mariaContainer,
}

// mariaSettings make a server that is quick, never has to survive, and has the
// defaults it was built with, character set included.
var mariaSettings = []string{
	"--skip-log-bin",
	"--innodb-flush-log-at-trx-commit=0",
	"--innodb-doublewrite=0",
	"--innodb-buffer-pool-size=64M",
	"--innodb-log-file-size=32M",
	"--innodb-use-native-aio=0", // not every container may
	"--max-connections=300",
	"--skip-name-resolve",
}

func localMaria(ctx context.Context, r *runner, bin programs) (string, error) {
	owner, err := unprivileged("mysql", "nobody")
	if err != nil {
		return "", fmt.Errorf("MariaDB refuses to run as root: %w", err)
	}
	dir, err := r.subdir("mariadb", owner)
	if err != nil {
		return "", err
	}
	data, accounts := filepath.Join(dir, "data"), filepath.Join(dir, "accounts.sql")
	program := func(ctx context.Context, name string, args ...string) *exec.Cmd {
		// The files of the machine's own server are not for this one.
		args = slices.Concat([]string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + dir}, args)
		cmd := exec.CommandContext(ctx, bin[name], args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TMPDIR="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
		return cmd
	}

	if err := writeFor(owner, accounts, mariaAccounts); err != nil {
		return "", err
	}
	install := program(ctx, "mariadb-install-db", slices.Concat([]string{"--skip-test-db"}, mariaSettings)...)
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return r.serve(ctx, server{
		quit: syscall.SIGTERM,
		url:  mariaURL,
		ping: pingMaria,
		command: func(port int) (*exec.Cmd, error) {
			// It ends in order, not with ctx.
			cmd := program(context.WithoutCancel(ctx), "mariadbd", slices.Concat([]string{
				"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port),
				"--socket=" + filepath.Join(dir, "socket"),
				"--pid-file=" + filepath.Join(dir, "pid"),
				"--init-file=" + accounts,
			}, mariaSettings)...)
			return cmd, r.logTo(cmd, "mariadb.log")
		},
	})
}

func mariaContainer(ctx context.Context, r *runner) (string, error) {
	return r.serve(ctx, server{
		quit: syscall.SIGTERM,
		url:  mariaURL,
		ping: pingMaria,
		command: func(port int) (*exec.Cmd, error) {
			cmd := r.container(ctx, mariaImage, port, 3306, []string{"--env", "MARIADB_ROOT_PASSWORD"}, mariaSettings)
			cmd.Env = append(os.Environ(), "MARIADB_ROOT_PASSWORD="+secret)
			return cmd, r.logTo(cmd, "mariadb.log")
		},
	})
}

// mariaAccounts runs before the server takes connections. The accounts that a
// new database has by itself are open to its socket alone.
var mariaAccounts = "CREATE OR REPLACE USER 'root'@'%' IDENTIFIED BY '" + secret + "';\n" +
	"GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;\n"

func mariaURL(port int) string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword("root", secret), Host: loopback(port), Path: "/mysql"}
	return u.String()
}

func pingMaria(ctx context.Context, rawURL string) (err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User = "tcp", u.Host, u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Logger = log.New(io.Discard, "", 0) // it does not answer at once
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.PingContext(ctx)
}
