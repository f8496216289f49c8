// Command ferretdb is a server for tests that speaks MongoDB's protocol:
// FerretDB on SQLite, in one process, with everything it writes in one
// directory.
//
//	ferretdb 127.0.0.1:27017 /tmp/data
//
// It ends on SIGTERM or SIGINT. It asks nobody for a password, and has no
// transactions.
//
// The one thing to know: FerretDB reads what a command is to change and then
// changes it, with nothing to keep another command from coming in between. So
// the commands on one database are led to it one at a time, which makes each of
// them atomic, as it is in MongoDB.
//
// It is a module of its own, so that nobody who uses Ostiary has FerretDB in
// their go.mod.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: ferretdb HOST:PORT DIRECTORY")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := serve(ctx, os.Args[1], os.Args[2])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// serve answers at the address until ctx ends.
func serve(ctx context.Context, address, dir string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer closeQuietly(listener)
	socket := filepath.Join(dir, "socket")
	database, err := open(dir, socket)
	if err != nil {
		return err
	}

	var running sync.WaitGroup
	running.Go(func() {
		_ = database.Run(ctx) // it returns nil
	})
	context.AfterFunc(ctx, func() { closeQuietly(listener) })
	databases := &turns{of: map[string]chan struct{}{}}
	for {
		conn, err := listener.Accept()
		if err != nil {
			running.Wait()
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		running.Go(func() { relay(ctx, conn, socket, databases) })
	}
}

func open(dir, socket string) (*ferretdb.FerretDB, error) {
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil { //nolint:gosec // who starts it says where
		return nil, err
	}
	// FerretDB takes a directory only with a slash at its end. What it writes
	// never has to survive a crash of the machine.
	location := url.URL{Scheme: "file", Opaque: data + "/", RawQuery: "_pragma=synchronous(off)"}
	return ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Handler:   "sqlite",
		SQLiteURL: location.String(),
	})
}

// relay leads the commands of one connection to the database, each when it is
// its turn, until either side ends or ctx does.
func relay(ctx context.Context, client net.Conn, socket string, databases *turns) {
	defer closeQuietly(client)
	database, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		return
	}
	defer closeQuietly(database)
	stop := context.AfterFunc(ctx, func() { closeQuietly(client); closeQuietly(database) })
	defer stop()

	for {
		request, err := readMessage(client)
		// Of a command that is not answered nobody could tell when it is done.
		if err != nil || request.unanswered() {
			return
		}
		turn := databases.turn(request.database())
		turn <- struct{}{}
		reply, err := ask(database, request)
		<-turn
		if err != nil {
			return
		}
		if _, err := client.Write(reply); err != nil {
			return
		}
	}
}

// turns are held by the command that runs on each database.
type turns struct {
	mu sync.Mutex
	of map[string]chan struct{}
}

func (t *turns) turn(database string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[database] == nil {
		t.of[database] = make(chan struct{}, 1)
	}
	return t.of[database]
}

// ask sends a message and returns the answer.
func ask(database net.Conn, request message) (message, error) {
	if _, err := database.Write(request); err != nil {
		return nil, err
	}
	return readMessage(database)
}

func closeQuietly(c interface{ Close() error }) { _ = c.Close() }
