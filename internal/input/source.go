package input

import "reflect"

// Source is the reverse of [Shape.Decode]: the request that would have brought
// the struct in. A call from Go so passes the same hooks and the same
// validation as a request. Nil pointers, zero [Nullable] values and nil in
// fields of type any are absent; a nil slice or map of a required field is
// empty. Of the map for unknown members, those that a field names are dropped.
//
// It panics when in is not of the type that was compiled.
func (s *Shape) Source(in reflect.Value) Source {
	src := Source{HasBody: s.takesBody}
	var body map[string]any
	if s.takesBody {
		body = make(map[string]any, len(s.object.fields))
		src.Body = body
	}
	for i := range s.object.fields {
		f := &s.object.fields[i]
		from := in.FieldByIndex(f.index)
		switch f.place {
		case Query:
			src.addQuery(f, from)
		case Path:
			src.addPath(f, from)
		default:
			f.addTo(body, s.object, from)
		}
	}
	return src
}

func (src *Source) addQuery(f *field, from reflect.Value) {
	raw := f.raw(from)
	// What a query carries is text.
	if b, ok := raw.(bool); ok && f.value.kind == truthy {
		if raw = any(Undefined); b {
			raw = "true"
		}
	}
	if raw == any(Undefined) {
		return
	}
	if src.Query == nil {
		src.Query = map[string]any{}
	}
	src.Query[f.name] = raw
}

func (src *Source) addPath(f *field, from reflect.Value) {
	value, ok := f.raw(from).(string)
	if !ok {
		return
	}
	if src.Path == nil {
		src.Path = map[string]string{}
	}
	src.Path[f.name] = value
}

// addTo puts what the field holds into the members of its object.
func (f *field) addTo(members map[string]any, o *object, from reflect.Value) {
	if !f.unknown {
		if raw := f.raw(from); raw != any(Undefined) {
			members[f.name] = raw
		}
		return
	}
	for name, member := range from.Seq2() {
		if !o.named[name.String()] {
			members[name.String()] = member.Interface()
		}
	}
}

func (f *field) raw(from reflect.Value) any {
	switch f.presence {
	case optional:
		if from.IsNil() {
			return Undefined
		}
		return f.value.raw(from.Elem())
	case nullable:
		switch {
		case !from.Field(nullableSet).Bool():
			return Undefined
		case from.Field(nullableNull).Bool():
			return nil
		}
		return f.value.raw(from.Field(nullableValue))
	}
	if f.value.kind == anything && from.IsNil() {
		return Undefined
	}
	return f.value.raw(from)
}

func (v *value) raw(from reflect.Value) any {
	switch v.kind {
	case text:
		return from.String()
	case boolean, truthy:
		return from.Bool()
	case integer:
		return from.Int()
	case number:
		return from.Float()
	case list:
		elements := make([]any, from.Len())
		for i := range elements {
			elements[i] = v.elem.raw(from.Index(i))
		}
		return elements
	case dictionary:
		members := make(map[string]any, from.Len())
		for name, member := range from.Seq2() {
			members[name.String()] = v.elem.raw(member)
		}
		return members
	case structure:
		members := make(map[string]any, len(v.object.fields))
		for i := range v.object.fields {
			f := &v.object.fields[i]
			f.addTo(members, v.object, from.FieldByIndex(f.index))
		}
		return members
	default: // anything
		return from.Interface()
	}
}
