package mongostore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
	mongostore "github.com/ostiary/ostiary/store/mongo"
)

// replica stands between a store and a server, says that the server is the
// member of a replica set, and takes the transactions out of the commands, which
// it remembers. Nothing is rolled back behind it: it is for what the store
// sends, and for what it makes of answers.
type replica struct {
	t        *testing.T
	upstream string
	listener net.Listener
	handlers sync.WaitGroup

	mu       sync.Mutex
	sent     []bson.M
	injected func(command string, body bson.M) bson.D // an answer instead of the server's
}

// onReplica opens a store on a server that seems to have transactions.
func onReplica(t *testing.T) (*mongostore.Store, *replica, *store.Schema) {
	t.Helper()
	u, err := url.Parse(testenv.Mongo(t))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{t: t, upstream: u.Host, listener: listener}
	r.handlers.Go(r.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		r.handlers.Wait()
	})
	u.Host, u.RawQuery = listener.Addr().String(), "directConnection=true&timeoutMS=2000"
	s, err := mongostore.Open(u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	schema := library(t)
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	r.forget()
	return s, r, schema
}

func (r *replica) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = nil
}

// inject answers commands itself where answer returns one.
func (r *replica) inject(answer func(command string, body bson.M) bson.D) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.injected = answer
}

// commands are the names of those sent: in brackets where they are part of a
// transaction.
func (r *replica) commands() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.sent))
	for _, body := range r.sent {
		name := body["command"].(string)
		switch {
		case body["startTransaction"] == true:
			name = "[" + name
		case name == "commitTransaction" || name == "abortTransaction":
			name = strings.TrimSuffix(name, "Transaction") + "]"
		}
		if (body["autocommit"] == false) != (body["txnNumber"] != nil && body["autocommit"] != nil) {
			r.t.Errorf("%v is neither in a transaction nor out of one", body)
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (r *replica) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.upstream)
		if err != nil {
			r.t.Error(err)
			_ = client.Close()
			return
		}
		r.handlers.Go(func() {
			defer func() { _ = client.Close(); _ = server.Close() }()
			for r.exchange(client, server) == nil {
			}
		})
	}
}

const (
	opReply = 1
	opMsg   = 2013
	header  = 16
	// before is what stands before the document: the flags and the kind of its
	// section in an OP_MSG, more in an OP_REPLY.
	beforeInMsg, beforeInReply = header + 5, header + 20
)

// exchange leads one command to the server and its answer back.
func (r *replica) exchange(client, server net.Conn) error {
	request, err := readMessage(client)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(request[12:]) == opMsg {
		var body bson.D
		body, request = r.withoutTransaction(request)
		if answer := r.answer(body); answer != nil {
			_, err := client.Write(message(request, nil, answer))
			return err
		}
	}
	if _, err := server.Write(request); err != nil {
		return err
	}
	reply, err := readMessage(server)
	if err != nil {
		return err
	}
	_, err = client.Write(asMember(reply))
	return err
}

// answer remembers a command and returns what is not left to the server.
func (r *replica) answer(body bson.D) bson.D {
	command := body[0].Key
	if command == "hello" || command == "isMaster" || command == "endSessions" || command == "ping" {
		return nil
	}
	all := bson.M{"command": command}
	for _, e := range body {
		all[e.Key] = e.Value
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, all)
	if r.injected != nil {
		if answer := r.injected(command, all); answer != nil {
			return answer
		}
	}
	if command == "commitTransaction" || command == "abortTransaction" {
		return bson.D{{Key: "ok", Value: 1}}
	}
	return nil
}

// withoutTransaction returns the command's body, and the message without what
// makes it part of a transaction.
func (r *replica) withoutTransaction(request []byte) (bson.D, []byte) {
	raw, rest := document(request, beforeInMsg)
	var body bson.D
	if err := bson.Unmarshal(raw, &body); err != nil {
		r.t.Error(err)
	}
	plain := slices.DeleteFunc(slices.Clone(body), func(e bson.E) bool {
		return slices.Contains([]string{"txnNumber", "startTransaction", "autocommit", "readConcern"}, e.Key)
	})
	return body, message(request, rest, plain)
}

// asMember makes the answer to hello that of a member of a replica set.
func asMember(reply []byte) []byte {
	before := beforeInMsg
	if binary.LittleEndian.Uint32(reply[12:]) == opReply {
		before = beforeInReply
	}
	raw, rest := document(reply, before)
	if _, err := bson.Raw(raw).LookupErr("maxWireVersion"); err != nil {
		return reply
	}
	var doc bson.D
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return reply
	}
	return message(reply[:before], rest, append(bson.D{{Key: "setName", Value: "rs0"}}, doc...))
}

// document cuts the document out that begins at an offset of a message.
func document(m []byte, at int) (doc, rest []byte) {
	size := int(binary.LittleEndian.Uint32(m[at:]))
	return m[at : at+size], m[at+size:]
}

// message is one with another document in the place of the one it begins with,
// and with the header and what else stands before it of m.
func message(m, rest []byte, doc bson.D) []byte {
	before := beforeInMsg
	if binary.LittleEndian.Uint32(m[12:]) == opReply {
		before = beforeInReply
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		panic(err)
	}
	out := slices.Concat(m[:before], raw, rest)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	if rest == nil { // an answer: it says which request it is of
		copy(out[8:12], m[4:8])
	}
	return out
}

func readMessage(r io.Reader) ([]byte, error) {
	m := make([]byte, header)
	if _, err := io.ReadFull(r, m); err != nil {
		return nil, err
	}
	m = append(m, make([]byte, binary.LittleEndian.Uint32(m)-header)...)
	_, err := io.ReadFull(r, m[header:])
	return m, err
}

// conflict is the answer to a command that lost against another transaction.
var conflict = bson.D{
	{Key: "ok", Value: 0},
	{Key: "code", Value: 112},
	{Key: "codeName", Value: "WriteConflict"},
	{Key: "errmsg", Value: "injected"},
	{Key: "errorLabels", Value: bson.A{"TransientTransactionError"}},
}

func TestTransactionsSendWhatTheServerNeeds(t *testing.T) {
	t.Parallel()
	s, r, schema := onReplica(t)
	authors, books := schema.Table("author"), schema.Table("book")
	ada := store.Record{"id": "a", "name": "Ada"}
	steps := []struct {
		what string
		do   func() error
		want string
		err  error
	}{
		{"Create of what refers to nothing", func() error { _, err := s.Create(t.Context(), authors, ada); return err }, "insert", nil},
		{"Create of what refers", func() error {
			_, err := s.Create(t.Context(), books, store.Record{"id": "1", "authorId": "a"})
			return err
		}, "insert find", nil},
		{"Update of plain fields", func() error {
			_, err := s.Update(t.Context(), authors, store.All(), store.Record{"rank": 1})
			return err
		}, "update", nil},
		{"Update of a unique field", func() error {
			_, err := s.Update(t.Context(), authors, store.Eq("id", "a"), store.Record{"name": "Eve"})
			return err
		}, "[update commit]", nil},
		{"FindOne", func() error {
			_, err := s.FindOne(t.Context(), books, store.Query{})
			return err
		}, "find", nil},
		{"FindOne with a join", func() error {
			_, err := s.FindOne(t.Context(), books, store.Query{Join: []string{"authorId"}})
			return err
		}, "[find find commit]", nil},
		{"Tx that succeeds", func() error {
			return s.Tx(t.Context(), func(ctx context.Context) error {
				if _, err := s.Create(ctx, books, store.Record{"id": "2", "authorId": "a"}); err != nil {
					return err
				}
				_, err := s.Count(ctx, books, store.All())
				return err
			})
		}, "[insert find aggregate commit] find", nil},
		{"Tx that fails", func() error {
			return s.Tx(t.Context(), func(ctx context.Context) error {
				_, err := s.Add(ctx, authors, store.Eq("id", "a"), map[string]int64{"rank": 1}, nil)
				return errors.Join(err, errNo)
			})
		}, "[findAndModify abort]", errNo},
		{"Tx whose function ignores that a statement failed", func() error {
			return s.Tx(t.Context(), func(ctx context.Context) error {
				_, _ = s.Create(ctx, books, store.Record{"id": "3", "authorId": "nobody"})
				_, _ = s.Count(ctx, books, store.All())
				return nil
			})
		}, "[insert find abort]", store.ErrReference},
		{"Tx that goes on after a miss", func() error {
			return s.Tx(t.Context(), func(ctx context.Context) error {
				_, missed := s.Take(ctx, books, store.Eq("id", "nothing"))
				if !errors.Is(missed, store.ErrNotFound) {
					return missed
				}
				_, err := s.Count(ctx, books, store.All())
				return err
			})
		}, "[findAndModify aggregate commit]", nil},
		{"Tx of nothing", func() error { return s.Tx(t.Context(), func(context.Context) error { return nil }) }, "", nil},
		{"Delete of what others refer to", func() error {
			_, err := s.Delete(t.Context(), books, store.All())
			return err
		}, "delete", nil},
		{"Take of what others refer to", func() error {
			_, err := s.Take(t.Context(), authors, store.Eq("id", "a"))
			return err
		}, "[findAndModify delete update find commit] find find find", nil},
	}
	for _, step := range steps {
		r.forget()
		if err := step.do(); !errors.Is(err, step.err) {
			t.Errorf("%s: got %v, want %v", step.what, err, step.err)
		}
		if got := r.commands(); got != step.want {
			t.Errorf("%s sent %s, want %s", step.what, got, step.want)
		}
	}

	r.forget()
	if err := s.Tx(t.Context(), func(ctx context.Context) error { _, err := s.Create(ctx, authors, ada); return err }); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	first, last := r.sent[0], r.sent[len(r.sent)-1]
	if got := level(first["readConcern"]); got != "snapshot" {
		t.Errorf("a transaction reads %v", first["readConcern"])
	}
	if concern, ok := last["writeConcern"].(bson.D); !ok || concern[0].Value != "majority" {
		t.Errorf("a transaction commits with %v", last["writeConcern"])
	}
}

func level(readConcern any) any {
	concern, ok := readConcern.(bson.D)
	if !ok {
		return nil
	}
	for _, e := range concern {
		if e.Key == "level" {
			return e.Value
		}
	}
	return nil
}

func TestConflictsOfAStatementAreTriedAgainAndThoseOfATransactionReported(t *testing.T) {
	t.Parallel()
	s, r, schema := onReplica(t)
	authors := schema.Table("author")
	create(t, s, authors, store.Record{"id": "a", "name": "Ada"})
	left := 0
	r.inject(func(command string, _ bson.M) bson.D {
		if command != "update" || left == 0 {
			return nil
		}
		left--
		return conflict
	})
	rename := func(ctx context.Context) error {
		_, err := s.Update(ctx, authors, store.Eq("id", "a"), store.Record{"name": "Eve"})
		return err
	}

	left = 2
	r.forget()
	if err := rename(t.Context()); err != nil {
		t.Errorf("a statement that lost twice: %v", err)
	}
	if got, want := r.commands(), "[update abort] [update abort] [update commit]"; got != want {
		t.Errorf("it sent %s, want %s", got, want)
	}

	left = 1
	r.forget()
	if err := s.Tx(t.Context(), rename); !errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a transaction that lost: got %v, want %v", err, store.ErrConflict)
	}
	if got, want := r.commands(), "[update abort]"; got != want {
		t.Errorf("it sent %s, want %s", got, want)
	}

	left = 1 << 30
	if err := rename(t.Context()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a statement that always loses: got %v, want %v", err, store.ErrConflict)
	}
}

func TestACommitWithoutAnAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	s, r, schema := onReplica(t)
	r.inject(func(command string, _ bson.M) bson.D {
		if command != "commitTransaction" {
			return nil
		}
		return bson.D{
			{Key: "ok", Value: 0},
			{Key: "code", Value: 91},
			{Key: "errmsg", Value: "injected"},
			{Key: "errorLabels", Value: bson.A{"RetryableWriteError", "UnknownTransactionCommitResult"}},
		}
	})
	err := s.Tx(t.Context(), func(ctx context.Context) error {
		_, err := s.Create(ctx, schema.Table("author"), store.Record{"id": "a", "name": "Ada"})
		return err
	})
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v, want %v", err, store.ErrUnavailable)
	}
}
