package input

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Shape is a struct type, compiled for [Shape.Decode]. It is safe for
// concurrent use.
type Shape struct {
	typ    reflect.Type
	object *object
	// takesBody: some field comes from the body; needsBody: one must.
	takesBody, needsBody bool
}

// object says how the fields of a struct are filled.
type object struct {
	fields []field
	named  map[string]bool // members of the body that are fields
}

type field struct {
	name     string
	place    string // Body, Query or Path
	index    []int
	presence presence
	value    value
	// unknown: takes the members that no field names; name and value are unused.
	unknown bool
}

// presence says whether a field may be absent and what it is in Go then.
type presence uint8

const (
	plain    presence = iota // the value itself
	optional                 // a pointer
	nullable                 // a Nullable
)

// value says how a Go value is filled.
type value struct {
	kind   kind
	typ    reflect.Type
	elem   *value  // of a list or a dictionary
	object *object // of a structure
	check  *check  // of text; may be nil
	max    int     // UTF-16 code units of text; 0 is no bound
}

type kind uint8

const (
	anything kind = iota
	text
	boolean
	truthy
	integer
	number
	list
	dictionary
	structure
)

var (
	anyMapType = reflect.TypeFor[map[string]any]()
	stringType = reflect.TypeFor[string]()
	truthyType = reflect.TypeFor[Truthy]()
	thisPath   = truthyType.PkgPath()
)

func isNullable(t reflect.Type) bool {
	return t.PkgPath() == thisPath && strings.HasPrefix(t.Name(), "Nullable[")
}

// Compile prepares a struct type. Its error, which joins everything that is
// wrong with the type, is a programmer's mistake: see the package comment for
// what a field can be.
func Compile(t reflect.Type) (*Shape, error) {
	if t == nil || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("input must be a struct, not %v", t)
	}
	c := compiler{}
	s := &Shape{typ: t, object: c.object(t)}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	for i := range s.object.fields {
		f := &s.object.fields[i]
		s.takesBody = s.takesBody || f.place == Body
		s.needsBody = s.needsBody || f.place == Body && f.required()
	}
	return s, nil
}

func (f *field) required() bool {
	return f.presence == plain && !f.unknown && f.value.kind != anything && f.value.kind != truthy
}

type compiler struct {
	errs []error
	open []reflect.Type // structs around the one that is being compiled
}

func (c *compiler) object(t reflect.Type) *object {
	c.open = append(c.open, t)
	o := &object{named: map[string]bool{}}
	c.addFields(o, t, nil)
	c.open = c.open[:len(c.open)-1]
	return o
}

func (c *compiler) addFields(o *object, t reflect.Type, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(slices.Clip(index), i)
		tag, tagged := sf.Tag.Lookup("json")
		if sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct {
			c.addFields(o, sf.Type, at)
			continue
		}
		if !sf.IsExported() || tag == "-" {
			continue
		}
		f, err := c.field(sf)
		if err == nil {
			err = o.add(f, at)
		}
		if err != nil {
			c.errs = append(c.errs, fmt.Errorf("field %s of %s: %w", sf.Name, t, err))
		}
	}
}

func (o *object) add(f field, index []int) error {
	f.index = index
	for i := range o.fields {
		if have := &o.fields[i]; have.name == f.name && have.place == f.place && have.unknown == f.unknown {
			return errors.New("another field takes the same")
		}
	}
	if f.place == Body && !f.unknown {
		o.named[f.name] = true
	}
	o.fields = append(o.fields, f)
	return nil
}

func (c *compiler) field(sf reflect.StructField) (field, error) {
	name, option, hasOption := strings.Cut(sf.Tag.Get("json"), ",")
	if hasOption {
		return unknownMembers(sf, name, option)
	}
	if name == "" {
		return field{}, errors.New("the json tag with the name is missing")
	}
	place, err := c.place(sf)
	if err != nil {
		return field{}, err
	}
	f := field{name: name, place: place}
	t := sf.Type
	switch {
	case t.Kind() == reflect.Pointer:
		f.presence, t = optional, t.Elem()
	case isNullable(t):
		f.presence, t = nullable, t.Field(nullableValue).Type
	}
	if f.value, err = c.value(t); err != nil {
		return field{}, err
	}
	if err := f.fits(); err != nil {
		return field{}, err
	}
	return f, f.value.restrict(sf.Tag)
}

func unknownMembers(sf reflect.StructField, name, option string) (field, error) {
	if option != "unknown" || name != "" {
		return field{}, fmt.Errorf("json tag %q: there is no option but \",unknown\", which stands alone", sf.Tag.Get("json"))
	}
	if sf.Type != anyMapType {
		return field{}, errors.New("unknown members need a map[string]any")
	}
	for _, tag := range []string{"in", "check", "max"} {
		if _, ok := sf.Tag.Lookup(tag); ok {
			return field{}, fmt.Errorf("unknown members come from the body, unchecked: no %s tag", tag)
		}
	}
	return field{place: Body, unknown: true}, nil
}

func (c *compiler) place(sf reflect.StructField) (string, error) {
	place, ok := sf.Tag.Lookup("in")
	switch {
	case !ok:
		return Body, nil
	case len(c.open) > 1:
		return "", errors.New("a field of an inner struct comes from where that comes from: no in tag")
	case place != Query && place != Path:
		return "", fmt.Errorf("in tag %q: must be %q or %q", place, Query, Path)
	}
	return place, nil
}

// fits reports a type that no value in the field's place could ever satisfy.
func (f *field) fits() error {
	v := &f.value
	switch {
	case f.place == Body:
		return nil
	case f.presence != nullable && v.kind == text:
		return nil
	case f.place == Path:
		return errors.New("a path parameter is a string")
	case f.presence != nullable && (v.kind == truthy || v.kind == anything || v.kind == list && v.elem.kind == text):
		return nil
	}
	return errors.New("a query parameter is a string, []string, Truthy or any")
}

func (c *compiler) value(t reflect.Type) (value, error) {
	v := value{typ: t}
	switch {
	case t == truthyType:
		v.kind = truthy
		return v, nil
	case isNullable(t):
		return v, errors.New("Nullable stands for a field only")
	}
	var err error
	switch t.Kind() {
	case reflect.String:
		v.kind = text
	case reflect.Bool:
		v.kind = boolean
	case reflect.Int64:
		v.kind = integer
	case reflect.Float64:
		v.kind = number
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return v, fmt.Errorf("no value of the wire is a %s", t)
		}
		v.kind = anything
	case reflect.Slice:
		v.kind = list
		v.elem, err = c.elem(t)
	case reflect.Map:
		if t.Key() != stringType {
			return v, fmt.Errorf("the keys of %s must be of type string", t)
		}
		v.kind = dictionary
		v.elem, err = c.elem(t)
	case reflect.Struct:
		v.kind = structure
		v.object, err = c.inner(t)
	default:
		return v, fmt.Errorf("type %s is not supported", t)
	}
	return v, err
}

func (c *compiler) elem(t reflect.Type) (*value, error) {
	v, err := c.value(t.Elem())
	return &v, err
}

func (c *compiler) inner(t reflect.Type) (*object, error) {
	if slices.Contains(c.open, t) {
		return nil, fmt.Errorf("%s contains itself", t)
	}
	o := c.object(t)
	if len(o.fields) == 0 && t.NumField() > 0 {
		return nil, fmt.Errorf("%s has no field to fill", t)
	}
	return o, nil
}

// restrict reads the tags that narrow the text that is taken.
func (v *value) restrict(tag reflect.StructTag) error {
	name, hasCheck := tag.Lookup("check")
	limit, hasMax := tag.Lookup("max")
	if !hasCheck && !hasMax {
		return nil
	}
	if v.kind != text {
		return errors.New("check and max are for strings")
	}
	if hasCheck {
		if v.check = checks[name]; v.check == nil {
			return fmt.Errorf("check tag %q: must be one of %s", name, checkNames())
		}
	}
	if hasMax {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 {
			return fmt.Errorf("max tag %q: must be a number above 0", limit)
		}
		v.max = n
	}
	return nil
}
