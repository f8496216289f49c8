package input

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// Positions of the fields of a Nullable.
const (
	nullableSet = iota
	nullableNull
	nullableValue
)

// maxSafeInteger is the greatest n for which n and n+1 are both exact in a
// float64.
const maxSafeInteger = 1<<53 - 1

// Decode fills the struct that dst points to, every field of it, from the
// source, and returns all that is wrong, in the order of the fields. When
// there is any problem the struct is filled in part and must not be used. Of
// more than 64 problems the first are returned.
//
// A body is asked for when a field of it is required; when none is, it may be
// absent, and when no field comes from it, it is ignored. Maps and slices in
// fields of type any, and those of unknown members, are the source's own.
//
// Decode panics when dst is not a pointer to the type that was compiled.
func (s *Shape) Decode(src Source, dst reflect.Value) Problems {
	dst = dst.Elem()
	if dst.Type() != s.typ {
		panic(fmt.Sprintf("input: cannot decode into %s with the shape of %s", dst.Type(), s.typ))
	}
	var d decoder
	body, bodyFits := s.bodyOf(src)
	for i := range s.object.fields {
		f := &s.object.fields[i]
		to := dst.FieldByIndex(f.index)
		d.where = f.place
		switch {
		case f.place == Query:
			d.field(f, lookup(src.Query, f.name), to)
		case f.place == Path:
			d.field(f, pathValue(src.Path, f.name), to)
		case bodyFits:
			d.member(s.object, f, body, to)
		default:
			to.SetZero()
			d.reportBody(src)
		}
	}
	return d.problems
}

// bodyOf returns the members of the body and whether it is of the right kind.
func (s *Shape) bodyOf(src Source) (map[string]any, bool) {
	if !src.HasBody {
		return nil, !s.needsBody
	}
	members, ok := src.Body.(map[string]any)
	return members, ok
}

func lookup(members map[string]any, name string) any {
	if v, ok := members[name]; ok {
		return v
	}
	return Undefined
}

func pathValue(params map[string]string, name string) any {
	if v, ok := params[name]; ok {
		return v
	}
	return Undefined
}

// decoder is one run of Decode.
type decoder struct {
	where        string
	path         []segment
	problems     Problems
	bodyReported bool
}

func (d *decoder) enter(name string)   { d.path = append(d.path, segment{name: name, position: -1}) }
func (d *decoder) enterElement(at int) { d.path = append(d.path, segment{position: at}) }
func (d *decoder) leave()              { d.path = d.path[:len(d.path)-1] }
func (d *decoder) expected(w string, v any) {
	d.report("Invalid input: expected " + w + ", received " + received(v))
}

func (d *decoder) report(text string) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, Problem{Where: d.where, Path: joinSegments(d.path), Text: text})
	}
}

func (d *decoder) reportBody(src Source) {
	if d.bodyReported {
		return
	}
	d.bodyReported = true
	if !src.HasBody {
		d.expected("object", Undefined)
		return
	}
	d.expected("object", src.Body)
}

// member fills one field of an object from the object's members.
func (d *decoder) member(o *object, f *field, members map[string]any, dst reflect.Value) {
	if f.unknown {
		d.unknown(o, members, dst)
		return
	}
	d.field(f, lookup(members, f.name), dst)
}

func (d *decoder) field(f *field, raw any, dst reflect.Value) {
	dst.SetZero()
	if f.presence == plain {
		d.enter(f.name)
		d.value(&f.value, raw, dst)
		d.leave()
		return
	}
	if raw == any(Undefined) {
		return
	}
	d.enter(f.name)
	defer d.leave()
	if f.presence == optional {
		target := reflect.New(f.value.typ)
		dst.Set(target)
		d.value(&f.value, raw, target.Elem())
		return
	}
	dst.Field(nullableSet).SetBool(true)
	if raw == nil {
		dst.Field(nullableNull).SetBool(true)
		return
	}
	d.value(&f.value, raw, dst.Field(nullableValue))
}

// value fills dst, which is the zero value.
func (d *decoder) value(v *value, raw any, dst reflect.Value) {
	switch v.kind {
	case anything:
		d.anything(raw, dst)
	case text:
		d.text(v, raw, dst)
	case boolean:
		if b, ok := raw.(bool); ok {
			dst.SetBool(b)
			return
		}
		d.expected("boolean", raw)
	case truthy:
		dst.SetBool(IsTruthy(raw))
	case integer:
		d.integer(raw, dst)
	case number:
		d.number(raw, dst)
	case list:
		d.list(v, raw, dst)
	case dictionary:
		d.dictionary(v, raw, dst)
	case structure:
		d.structure(v.object, raw, dst)
	}
}

func (d *decoder) anything(raw any, dst reflect.Value) {
	if raw == nil || raw == any(Undefined) {
		return
	}
	if flaw := flawWithin(raw, len(d.path)); flaw != "" {
		d.report(flaw)
		return
	}
	dst.Set(reflect.ValueOf(raw))
}

func (d *decoder) text(v *value, raw any, dst reflect.Value) {
	s, ok := raw.(string)
	if !ok {
		d.expected("string", raw)
		return
	}
	if flaw := flaw(s); flaw != "" {
		d.report(flaw)
		return
	}
	if v.check != nil && !v.check.holds(s) {
		d.report(v.check.text)
	}
	if v.max > 0 && longerThan(s, v.max) {
		d.report("Too big: expected string to have <=" + strconv.Itoa(v.max) + " characters")
	}
	dst.SetString(s)
}

func (d *decoder) integer(raw any, dst reflect.Value) {
	if n, ok := raw.(int64); ok {
		dst.SetInt(n)
		return
	}
	x, ok := finite(raw)
	switch {
	case !ok:
		d.expected("number", raw)
	case x != math.Trunc(x):
		d.expected("int", raw)
	case x > maxSafeInteger:
		d.report("Too big: expected int to be <=" + strconv.Itoa(maxSafeInteger))
	case x < -maxSafeInteger:
		d.report("Too small: expected int to be >=" + strconv.Itoa(-maxSafeInteger))
	default:
		dst.SetInt(int64(x))
	}
}

func (d *decoder) number(raw any, dst reflect.Value) {
	if x, ok := finite(raw); ok {
		dst.SetFloat(x)
		return
	}
	d.expected("number", raw)
}

func finite(raw any) (float64, bool) {
	switch x := raw.(type) {
	case float64:
		return x, !math.IsNaN(x) && !math.IsInf(x, 0)
	case int64:
		return float64(x), true
	}
	return 0, false
}

// IsTruthy reports what JavaScript takes for true: Boolean(raw). The wire
// protocol asks it where a member may be there and say nothing.
func IsTruthy(raw any) bool {
	switch v := raw.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case float64:
		return v != 0 && !math.IsNaN(v)
	case int64:
		return v != 0
	}
	return true
}

func (d *decoder) list(v *value, raw any, dst reflect.Value) {
	elements, ok := raw.([]any)
	if !ok {
		d.expected("array", raw)
		return
	}
	filled := reflect.MakeSlice(v.typ, len(elements), len(elements))
	for i, element := range elements {
		d.enterElement(i)
		d.value(v.elem, element, filled.Index(i))
		d.leave()
	}
	dst.Set(filled)
}

func (d *decoder) dictionary(v *value, raw any, dst reflect.Value) {
	members, ok := raw.(map[string]any)
	if !ok {
		d.expected("record", raw)
		return
	}
	filled := reflect.MakeMapWithSize(v.typ, len(members))
	elem := reflect.New(v.elem.typ).Elem()
	for _, name := range d.namesOf(members, nil) {
		d.enter(name)
		elem.SetZero()
		d.value(v.elem, members[name], elem)
		d.leave()
		filled.SetMapIndex(reflect.ValueOf(name), elem)
	}
	dst.Set(filled)
}

func (d *decoder) structure(o *object, raw any, dst reflect.Value) {
	members, ok := raw.(map[string]any)
	if !ok {
		d.expected("object", raw)
		return
	}
	for i := range o.fields {
		f := &o.fields[i]
		d.member(o, f, members, dst.FieldByIndex(f.index))
	}
}

// unknown fills a map with the members that no field names.
func (d *decoder) unknown(o *object, members map[string]any, dst reflect.Value) {
	dst.SetZero()
	names := d.namesOf(members, o.named)
	if len(names) == 0 {
		return
	}
	rest := make(map[string]any, len(names))
	for _, name := range names {
		value := members[name]
		if flaw := flawWithin(value, len(d.path)+1); flaw != "" {
			d.enter(name)
			d.report(flaw)
			d.leave()
			continue
		}
		rest[name] = value
	}
	dst.Set(reflect.ValueOf(rest))
}

// namesOf returns the names of the members that are present and not in
// without, sorted so that the same request always gets the same answer. Names
// that cannot be taken are reported and left out.
func (d *decoder) namesOf(members map[string]any, without map[string]bool) []string {
	var names []string
	flawed := ""
	for name, value := range members {
		if without[name] || value == any(Undefined) {
			continue
		}
		if flaw := flaw(name); flaw != "" {
			// Of several the same one in every run.
			flawed = max(flawed, flaw)
			continue
		}
		names = append(names, name)
	}
	if flawed != "" {
		d.report(flawed)
	}
	slices.Sort(names)
	return names
}
