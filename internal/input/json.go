package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errTooDeep       = fmt.Errorf("nested deeper than %d", maxDepth)
	errTooManyTokens = fmt.Errorf("more than %d tokens", maxTokens)
	errTrailing      = errors.New("data after the value")
	errNumberRange   = errors.New("number out of range")
)

// duplicatesAreOurs spares the decoder a set of names for every object: the map
// that is being filled is one.
var duplicatesAreOurs = jsontext.AllowDuplicateNames(true)

// ParseJSON reads a JSON text that holds exactly one value: nil, bool, string,
// float64, []any or map[string]any. Members of an object must have different
// names, text must be UTF-8 without lone surrogates, numbers must fit a
// float64, arrays and objects may nest 32 deep, and names, values and brackets
// together may number 10,000. U+0000 in text is kept. Errors wrap [ErrSyntax].
//
// The result shares no memory with data, which must not change during the
// call.
func ParseJSON(data []byte) (any, error) {
	p := jsonParser{decoder: jsontext.NewDecoder(bytes.NewBuffer(data), duplicatesAreOurs)}
	value, err := p.value(0)
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, p.syntaxError(err)
	}
	return value, nil
}

type jsonParser struct {
	decoder *jsontext.Decoder
	tokens  int
}

func (p *jsonParser) next() (jsontext.Token, error) {
	p.tokens++
	if p.tokens > maxTokens {
		return jsontext.Token{}, errTooManyTokens
	}
	return p.decoder.ReadToken()
}

// value reads the next value, which stands inside depth arrays and objects.
func (p *jsonParser) value(depth int) (any, error) {
	token, err := p.next()
	if err != nil {
		return nil, err
	}
	return p.valueFrom(token, depth)
}

// valueFrom reads the rest of the value that starts with the token.
func (p *jsonParser) valueFrom(token jsontext.Token, depth int) (any, error) {
	switch token.Kind() {
	case '{':
		return p.object(depth + 1)
	case '[':
		return p.array(depth + 1)
	case '"':
		return token.String(), nil
	case '0':
		number, err := token.Float()
		if err != nil {
			return nil, errNumberRange
		}
		return number, nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	default:
		// The decoder guarantees that a bracket which ends something does not
		// come where a value must.
		return nil, nil
	}
}

func (p *jsonParser) object(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	members := make(map[string]any)
	for {
		token, err := p.next()
		if err != nil {
			return nil, err
		}
		if token.Kind() == '}' {
			return members, nil
		}
		name := token.String()
		if _, ok := members[name]; ok {
			return nil, jsontext.ErrDuplicateName
		}
		if members[name], err = p.value(depth); err != nil {
			return nil, err
		}
	}
}

func (p *jsonParser) array(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	elements := []any{}
	for {
		token, err := p.next()
		if err != nil {
			return nil, err
		}
		if token.Kind() == ']' {
			return elements, nil
		}
		element, err := p.valueFrom(token, depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
	}
}

// end makes sure that nothing but white space follows the value.
func (p *jsonParser) end() error {
	switch _, err := p.decoder.ReadToken(); {
	case err == nil:
		return errTrailing
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// syntaxError keeps of an error what is bounded in size: the decoder's own
// text holds the names that lead to the place, which the sender chose.
func (p *jsonParser) syntaxError(err error) error {
	offset := p.decoder.InputOffset()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		offset, err = syntactic.ByteOffset, syntactic.Err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w at byte %d: %w", ErrSyntax, offset, err)
}
