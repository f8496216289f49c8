// Command freshdb lends an empty PostgreSQL database to a program that cannot
// make one itself:
//
//	OSTIARY_TEST_POSTGRES=postgres://… freshdb
//
// prints the URL of a new database beside the one of the variable, and drops it
// again, with whoever is connected, when its standard input ends: when the
// program that has started it closes it, or dies.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const timeout = 30 * time.Second

func main() {
	if err := lend(os.Getenv("OSTIARY_TEST_POSTGRES"), os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "freshdb:", err)
		os.Exit(1)
	}
}

// lend writes the URL of a new database to out and drops it when in ends.
func lend(admin string, out io.Writer, in io.Reader) (err error) {
	u, err := url.Parse(admin)
	if err != nil || u.Host == "" {
		return errors.New("OSTIARY_TEST_POSTGRES is no URL of a database")
	}
	name := "ostiary_client_" + strings.ToLower(rand.Text())
	// A template must not be in use, and nobody can connect to this one.
	if err := execute(admin, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	defer func() { err = errors.Join(err, execute(admin, "DROP DATABASE "+name+" WITH (FORCE)")) }()
	u.Path = "/" + name
	if _, err := fmt.Fprintln(out, u); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

func execute(admin, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}
