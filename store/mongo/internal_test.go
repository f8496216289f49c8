package mongostore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/ostiary/ostiary/internal/testenv"
	"github.com/ostiary/ostiary/store"
)

func TestTransactionsAreDetected(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		reply bson.D
		want  bool
	}{
		"a member of a replica set": {bson.D{{Key: "setName", Value: "rs0"}, {Key: "logicalSessionTimeoutMinutes", Value: 30}}, true},
		"the router of a cluster":   {bson.D{{Key: "msg", Value: "isdbgrid"}, {Key: "logicalSessionTimeoutMinutes", Value: 30}}, true},
		"a single server":           {bson.D{{Key: "logicalSessionTimeoutMinutes", Value: 30}}, false},
		"a member without sessions": {bson.D{{Key: "setName", Value: "rs0"}}, false},
		"one without a name yet":    {bson.D{{Key: "setName", Value: ""}, {Key: "isreplicaset", Value: true}, {Key: "logicalSessionTimeoutMinutes", Value: 30}}, false},
		"something else":            {bson.D{}, false},
	} {
		raw, err := bson.Marshal(c.reply)
		if err != nil {
			t.Fatal(err)
		}
		var h hello
		if err := bson.Unmarshal(raw, &h); err != nil {
			t.Fatal(err)
		}
		if got := h.transactions(); got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
		for _, putsBack := range []bool{false, true} {
			s := &Store{putsBack: putsBack}
			s.server.Store(&h)
			got, err := s.transactions(t.Context())
			if got != c.want || (err != nil) != (!c.want && !putsBack) {
				t.Errorf("%s, known %v: got %v, %v", what, putsBack, got, err)
			}
		}
	}
}

func TestErrorsOfTheDriverAreTranslated(t *testing.T) {
	t.Parallel()
	command := func(code int32, labels ...string) error {
		return mongo.CommandError{Code: code, Message: "says the server", Labels: labels}
	}
	write := func(code int) error {
		return mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: code, Message: "says the server"}}}
	}
	for what, c := range map[string]struct{ err, want error }{
		"no document":                {mongo.ErrNoDocuments, store.ErrNotFound},
		"duplicate":                  {command(11000), store.ErrDuplicate},
		"duplicate in an insert":     {write(11000), store.ErrDuplicate},
		"FerretDB's duplicate":       {mongo.CommandError{Code: 1, Message: "constraint failed: UNIQUE constraint failed: index 'users_1_email' (2067)"}, store.ErrDuplicate},
		"write conflict":             {command(112, labelTransient), store.ErrConflict},
		"write conflict in a write":  {write(112), store.ErrConflict},
		"no such transaction":        {command(251, labelTransient), store.ErrConflict},
		"snapshot unavailable":       {command(246, labelTransient), store.ErrConflict},
		"lock time-out":              {command(24), store.ErrConflict},
		"another transient error":    {command(77777, labelTransient), store.ErrConflict},
		"commit without an answer":   {command(50, labelUnknown), store.ErrUnavailable},
		"a commit that nobody knows": {command(77777, labelUnknown), store.ErrUnavailable},
		"network in a transaction":   {command(0, labelTransient, "NetworkError"), store.ErrUnavailable},
		"not the primary":            {command(10107), store.ErrUnavailable},
		"primary stepped down":       {command(189), store.ErrUnavailable},
		"shutting down":              {command(91), store.ErrUnavailable},
		"write concern":              {mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64}}, store.ErrUnavailable},
		"disconnected":               {mongo.ErrClientDisconnected, store.ErrUnavailable},
		"time-out of the driver":     {fmt.Errorf("read: %w", context.DeadlineExceeded), store.ErrUnavailable},
		"sum that does not fit":      {command(2), store.ErrInvalid},
		"not a number":               {write(14), store.ErrInvalid},
		"another id":                 {write(66), store.ErrInvalid},
		"too large":                  {command(10334), store.ErrInvalid},
	} {
		got := failure(t.Context(), nil, c.err)
		if !errors.Is(got, c.want) {
			t.Errorf("%s: got %v, want %v", what, got, c.want)
		}
		if errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("%s: %v looks like the caller's time-out", what, got)
		}
	}
	if err := failure(t.Context(), nil, nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	other := command(13)
	if err := failure(t.Context(), nil, other); !errors.As(err, new(mongo.CommandError)) || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrInvalid) {
		t.Errorf("an error of its own became %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := failure(cancelled, nil, command(0, "NetworkError")); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after the caller gave up: %v", err)
	}
	if err := failure(cancelled, nil, command(11000)); !errors.Is(err, store.ErrDuplicate) {
		t.Errorf("an answer that came although the caller gave up: %v", err)
	}
}

func TestADuplicateNamesItsFields(t *testing.T) {
	t.Parallel()
	schema, err := store.NewSchema(store.SnakePlural(), store.IDs{}, store.Table{Name: "user", Fields: []*store.Field{
		{Name: "fullName", Type: store.String}, {Name: "email", Type: store.String},
	}})
	if err != nil {
		t.Fatal(err)
	}
	reply := func(pattern bson.D) bson.Raw {
		raw, err := bson.Marshal(bson.D{{Key: "code", Value: 11000}, {Key: "keyPattern", Value: pattern}})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	users := schema.Table("user")
	both := reply(bson.D{{Key: "full_name", Value: 1}, {Key: "email", Value: 1}})
	for what, c := range map[string]struct {
		err  error
		want []string
	}{
		"of a write":                    {mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 11000, Raw: both}}}, []string{"fullName", "email"}},
		"of a command":                  {mongo.CommandError{Code: 11000, Raw: both}, []string{"fullName", "email"}},
		"of the id":                     {mongo.CommandError{Code: 11000, Raw: reply(bson.D{{Key: "_id", Value: 1}})}, []string{"id"}},
		"of another field":              {mongo.CommandError{Code: 11000, Raw: reply(bson.D{{Key: "email", Value: 1}, {Key: "own", Value: 1}})}, nil},
		"of a server that does not say": {mongo.CommandError{Code: 11000}, nil},
	} {
		var taken *store.DuplicateError
		if err := failure(t.Context(), users, c.err); !errors.As(err, &taken) || taken.Table != "user" || !slices.Equal(taken.Fields, c.want) {
			t.Errorf("%s: got %#v, want the fields %v", what, err, c.want)
		}
	}
}

func TestWhatOutlivedACommitIsFreed(t *testing.T) {
	t.Parallel()
	s, err := Open(testenv.Mongo(t), WithoutTransactions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	refers := func(name string, do store.OnDelete) *store.Field {
		return &store.Field{Name: name, Type: store.String, References: &store.Reference{Table: "user", As: name + "Of", OnDelete: do}}
	}
	schema, err := store.NewSchema(store.BetterAuth(), store.IDs{}, store.Table{Name: "user"}, store.Table{Name: "post", Fields: []*store.Field{
		refers("author", store.Cascade), refers("editor", store.SetNull), refers("payer", store.Restrict),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	posts := s.db.Collection("post")
	for collection, docs := range map[string][]any{
		"user": {bson.M{"_id": "here"}},
		"post": {
			bson.M{"_id": "1", "author": "here", "editor": "here"},
			bson.M{"_id": "2", "author": "gone"},
			bson.M{"_id": "3", "author": "here", "editor": "gone"},
			bson.M{"_id": "4", "payer": "gone"},
		},
	} {
		if _, err := s.db.Collection(collection).InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}
	table := schema.Table("post")
	var links []link
	for _, name := range []string{"author", "editor", "payer"} {
		links = append(links, link{table: table, field: table.Field(name), values: []any{"here", "gone"}, deleted: name == "author"})
	}
	s.settle(t.Context(), links)
	cursor, err := posts.Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var left []map[string]any
	if err := cursor.All(t.Context(), &left); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(left, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a["_id"]), fmt.Sprint(b["_id"])) })
	const want = "[map[_id:1 author:here editor:here] map[_id:3 author:here] map[_id:4 payer:gone]]"
	if got := fmt.Sprint(left); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzPattern compares what MongoDB is asked with what is meant.
func FuzzPattern(f *testing.F) {
	for _, text := range []string{"", "a", "A.*", "x\n", "é", "K", "\u212a", `\E[`, "a\u2028b", "ſ", "(?i)a", "$^"} {
		for _, part := range []string{text, "A", "", "\n", "."} {
			f.Add(text, part)
		}
	}
	f.Fuzz(func(t *testing.T, text, part string) {
		for _, v := range []string{text, part} {
			if _, err := store.String.Canonical(v); err != nil {
				t.Skip()
			}
		}
		for _, w := range []store.Where{
			store.Contains("name", part), store.HasPrefix("name", part), store.HasSuffix("name", part),
			store.Contains("name", part).Fold(), store.HasPrefix("name", part).Fold(), store.HasSuffix("name", part).Fold(),
			store.Eq("name", part).Fold(),
		} {
			p := pattern(w).Pattern
			if got, want := regexp.MustCompile(p).MatchString(text), matches(w, text); got != want {
				t.Errorf("%v with the pattern %q matches %q: %v, want %v", w, p, text, got, want)
			}
		}
	})
}
