package main

import (
	"encoding/binary"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/bson"
)

// message is one of the protocol's messages, header included.
//
// See https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/.
type message []byte

const (
	headerSize = 16
	// largest is maxMessageSizeBytes.
	largest = 48_000_000
	opMsg   = 2013
	// moreToCome is the flag of a message that is not answered.
	moreToCome = 1 << 1
	// bodyAt is where the body of such a message begins: its first section.
	bodyAt = headerSize + 5
)

// readMessage reads one message whole.
func readMessage(r io.Reader) (message, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header)
	if size < headerSize || size > largest {
		return nil, fmt.Errorf("a message of %d bytes", size)
	}
	m := make(message, size)
	copy(m, header)
	_, err := io.ReadFull(r, m[headerSize:])
	return m, err
}

// database is the name of the database that the command is for, or "" where it
// is for none.
func (m message) database() string {
	if len(m) < bodyAt || binary.LittleEndian.Uint32(m[12:]) != opMsg {
		return ""
	}
	name, _ := bson.Raw(m[bodyAt:]).Lookup("$db").StringValueOK()
	return name
}

// unanswered reports whether no answer to the message comes.
func (m message) unanswered() bool {
	return len(m) >= headerSize+4 &&
		binary.LittleEndian.Uint32(m[12:]) == opMsg &&
		binary.LittleEndian.Uint32(m[headerSize:])&moreToCome != 0
}
