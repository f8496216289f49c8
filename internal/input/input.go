// Package input turns what a request carries, its body, query and path
// parameters, into a Go struct, strictly: what does not fit is never converted
// or ignored but reported, all of it at once, in the words of the wire
// protocol.
//
// The bytes come first. [ParseJSON], [ParseForm] and [ParseQuery] yield plain
// values and refuse whatever could be read in two ways: duplicate names,
// trailing data, text that is not UTF-8, endless nesting. Their errors wrap
// [ErrSyntax].
//
// Then the values are fitted to a struct type, compiled once at start-up:
//
//	type signUp struct {
//		Name     string         `json:"name" max:"256"`           // required
//		Email    string         `json:"email" check:"email"`      // required, and an e-mail address
//		Remember *bool          `json:"rememberMe"`               // optional: nil when absent
//		Invite   *string        `json:"invite" in:"query"`        // from the query
//		Extra    map[string]any `json:",unknown"`                 // members that no field names
//	}
//
//	shape, err := input.Compile(reflect.TypeFor[signUp]())        // err: the struct is no possible input
//	var in signUp
//	problems := shape.Decode(source, reflect.ValueOf(&in))        // empty: in is valid
//
// # Fields
//
// Every exported field has a json tag with the member's name, matched exactly,
// or "-" to be left alone. The fields of an embedded struct without a tag
// belong to the outer one. Further tags:
//
//	in:"query"        taken from the query; in:"path" from the path. Otherwise from the body
//	check:"email"     an e-mail address, see [ValidEmail]
//	check:"nonempty"  a string of at least one character
//	max:"256"         a string of at most so many characters, counted as JavaScript does, see [UTF16Len]
//
// The same name may stand for a member of the body and for a parameter of the
// query. go vet, which does not know the in tag, then wants one of the two in
// an embedded struct.
//
// # Types
//
//	string, bool, float64   the same in JSON
//	int64                   a whole number within ±(2^53 - 1)
//	[]T, map[string]T       an array or an object of such
//	struct                  an object with the struct's members
//	any                     whatever comes, nil when absent
//	[Truthy]                anything, judged as JavaScript would
//	*T                      optional: nil when absent. null is refused
//	[Nullable][T]           optional, and null is told apart from absent
//
// A field of any other form is required; any, Truthy and the field for unknown
// members never are. A query has strings only: in it stand string, []string
// (the name repeated), Truthy and any. Path parameters are strings.
//
// Text with a NUL character is refused wherever it would reach a field,
// because no database can be trusted to keep it, and so is text that is not
// UTF-8, which hooks and calls from Go may bring.
package input

import "errors"

// ErrSyntax is wrapped by the errors of [ParseJSON], [ParseForm] and
// [ParseQuery]. What it wraps says where and why, without quoting more than a
// few bytes of the input.
var ErrSyntax = errors.New("malformed input")

// Limits on what is parsed, in addition to the bound that the caller sets on
// the number of bytes.
const (
	maxDepth  = 32     // arrays and objects within each other, the outermost included
	maxTokens = 10_000 // names, values and brackets of a JSON text
	maxPairs  = 1_000  // name=value pairs of a form or a query
)

// Source is what a request carries, parsed but not yet judged. Values are what
// [ParseJSON] returns; int64, too, is taken for a number, and [Undefined]
// anywhere means that the member is absent.
type Source struct {
	// Body is the body's value; nil is JSON null when HasBody is true.
	Body any
	// HasBody tells whether there was a body.
	HasBody bool
	// Query holds the parameters of the query: strings, or a []any of strings
	// for a name that is repeated.
	Query map[string]any
	// Path holds the path parameters, decoded.
	Path map[string]string
}

// Undefined is the value of a member that is absent, which null is not.
var Undefined undefined

type undefined struct{}

// Truthy is a bool that is judged as JavaScript judges a value: of a query
// parameter, every text but the empty one is true, "false" and "0" included.
// Absent is false.
type Truthy bool

// Nullable is an optional member that may be null: absent is the zero value,
// null has Set and Null, anything else Set and the Value.
type Nullable[T any] struct {
	Set, Null bool
	Value     T
}
