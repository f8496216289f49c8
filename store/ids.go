package store

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/ostiary/ostiary/internal/random"
)

// IDKind is how a database keeps the ids of rows, and every field that refers
// to one. In a [Record] an id is text all the same.
type IDKind uint8

// The kinds of ids.
const (
	// TextID is any text, compared byte by byte.
	TextID IDKind = iota + 1
	// UUIDID is a UUID in its usual form of 36 characters, lower case: a column
	// of type uuid where the database has that type, text elsewhere.
	UUIDID
	// SerialID is a positive integer in decimal digits, an integer column. Ids
	// order as numbers.
	SerialID
)

func (k IDKind) String() string {
	return [...]string{"no id", "text", "uuid", "serial"}[min(k, SerialID)]
}

// canonical returns the form in which an id of the kind is kept, or false for
// text that is none.
func (k IDKind) canonical(id string) (string, bool) {
	switch k {
	case UUIDID:
		u, err := uuid.Parse(id)
		return u.String(), err == nil && len(id) == 36
	case SerialID:
		n, err := strconv.ParseInt(id, 10, 64)
		return id, err == nil && n > 0 && id[0] != '+' && id[0] != '0'
	}
	return id, true
}

// IDs is the policy by which new rows get their ids: one for all tables of a
// [Schema]. The zero value is [RandomIDs].
type IDs struct {
	kind       IDKind
	byDatabase bool
	generate   func(source io.Reader, table string) (string, error)
}

// RandomIDs are 32 random letters and digits, which is what better-auth makes.
func RandomIDs() IDs { return IDs{} }

// UUIDv4 are random UUIDs (RFC 9562 section 5.4).
func UUIDv4() IDs { return IDs{kind: UUIDID, generate: uuidMaker(uuid.NewRandomFromReader)} }

// UUIDv7 are UUIDs that begin with the time (RFC 9562 section 5.7): rows made
// one after the other stand together in an index, and whoever sees an id learns
// when its row was made.
func UUIDv7() IDs { return IDs{kind: UUIDID, generate: uuidMaker(uuid.NewV7FromReader)} }

func uuidMaker(next func(io.Reader) (uuid.UUID, error)) func(io.Reader, string) (string, error) {
	return func(source io.Reader, _ string) (string, error) {
		id, err := next(source)
		return id.String(), err
	}
}

// IDFunc are the application's own ids: generate is called with the logical name
// of the table for each new row. The ids are text of at most 64 characters, never
// empty, and must never repeat within a table; generate must be safe for
// concurrent use. Nil stands for [RandomIDs].
func IDFunc(generate func(table string) (string, error)) IDs {
	if generate == nil {
		return IDs{}
	}
	return IDs{generate: func(_ io.Reader, table string) (string, error) {
		id, err := generate(table)
		if err == nil && (id == "" || utf8.RuneCountInString(id) > maxIDLength) {
			err = fmt.Errorf("%w: the function for ids returned one of %d bytes for %q; 1 to %d characters are what every database takes", ErrInvalid, len(id), table, maxIDLength)
		}
		return id, err
	}}
}

// DatabaseUUIDs are random UUIDs that the database makes when it inserts the
// row. A store whose database cannot makes them itself.
func DatabaseUUIDs() IDs {
	ids := UUIDv4()
	ids.byDatabase = true
	return ids
}

// SerialIDs are numbers that the database counts up for each table. Whoever
// sees one learns about how many rows there are.
func SerialIDs() IDs { return IDs{kind: SerialID, byDatabase: true, generate: randomSerial} }

// randomSerial is a number of 19 digits at most, far above what a database
// counts to.
func randomSerial(source io.Reader, _ string) (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(source, b[:]); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return strconv.FormatInt(math.MaxInt64>>1+1+int64(binary.BigEndian.Uint64(b[:])>>2), 10), nil
}

// Kind is how the database keeps the ids.
func (i IDs) Kind() IDKind { return max(i.kind, TextID) }

// ByDatabase tells whether [Store.Create] makes the id of a row that comes
// without one.
func (i IDs) ByDatabase() bool { return i.byDatabase }

// New makes an id for a row of the table. Where the database makes the ids it
// is for what no database inserts; for [SerialIDs] it is a random number of 19
// digits then.
// Only a function of the application's, or the random source, can fail.
func (i IDs) New(source io.Reader, table string) (string, error) {
	if i.generate != nil {
		return i.generate(source, table)
	}
	return random.Text(source, idLength)
}

// maxIDLength is the most characters of an id that a column of every database
// holds.
const maxIDLength = 64

// idLength is how long random ids are: 190 bits.
const idLength = 32
