package input_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/input"
)

type knot struct {
	Next *knot `json:"next"`
}

func TestImpossibleInputsAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	// Written out, it would not pass go vet.
	twice := reflect.Zero(reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.TypeFor[string](), Tag: `json:"a"`},
		{Name: "B", Type: reflect.TypeFor[string](), Tag: `json:"a"`},
	})).Interface()
	cases := map[string]struct {
		in   any
		want string
	}{
		"no struct":         {"", "must be a struct, not string"},
		"pointer to struct": {&signUp{}, "must be a struct"},
		"nil":               {nil, "must be a struct"},
		"no tag":            {struct{ Name string }{}, "field Name of"},
		"empty name": {struct {
			A string `json:""`
		}{}, "name is missing"},
		"tag option": {struct {
			A *string `json:"a,omitempty"`
		}{}, `json tag "a,omitempty"`},
		"unknown with a name": {struct {
			A map[string]any `json:"a,unknown"`
		}{}, "stands alone"},
		"unknown of another type": {struct {
			A map[string]string `json:",unknown"`
		}{}, "map[string]any"},
		"unknown in the query": {struct {
			A map[string]any `json:",unknown" in:"query"`
		}{}, "no in tag"},
		"two for unknown": {struct {
			A map[string]any `json:",unknown"`
			B map[string]any `json:",unknown"`
		}{}, "field B of"},
		"two of a name": {twice, "another field takes the same"},
		"two of a name, embedded": {struct {
			selector
			B string `json:"accountId"`
		}{}, "another field takes the same"},
		"int": {struct {
			A int `json:"a"`
		}{}, "type int is not supported"},
		"bytes": {struct {
			A []byte `json:"a"`
		}{}, "uint8 is not supported"},
		"channel in an array": {struct {
			A []chan int `json:"a"`
		}{}, "chan int is not supported"},
		"interface with methods": {struct {
			A error `json:"a"`
		}{}, "no value of the wire is a error"},
		"keys that are no strings": {struct {
			A map[int]string `json:"a"`
		}{}, "must be of type string"},
		"pointer to pointer": {struct {
			A **string `json:"a"`
		}{}, "*string is not supported"},
		"array of Nullable": {struct {
			A []input.Nullable[string] `json:"a"`
		}{}, "stands for a field only"},
		"time": {struct {
			A time.Time `json:"a"`
		}{}, "time.Time has no field to fill"},
		"struct in itself": {knot{}, "contains itself"},
		"fault of an inner struct": {struct {
			A struct {
				B int `json:"b"`
			} `json:"a"`
		}{}, "field B of"},
		"unknown place": {struct {
			A string `json:"a" in:"header"`
		}{}, `in tag "header"`},
		"place in an inner struct": {struct {
			A struct {
				B string `json:"b" in:"query"`
			} `json:"a"`
		}{}, "no in tag"},
		"bool in the query": {struct {
			A bool `json:"a" in:"query"`
		}{}, "Truthy"},
		"number in the query": {struct {
			A *int64 `json:"a" in:"query"`
		}{}, "Truthy"},
		"Nullable in the query": {struct {
			A input.Nullable[string] `json:"a" in:"query"`
		}{}, "Truthy"},
		"numbers in the query": {struct {
			A []int64 `json:"a" in:"query"`
		}{}, "Truthy"},
		"array in the path": {struct {
			A []string `json:"a" in:"path"`
		}{}, "a path parameter is a string"},
		"unknown check": {struct {
			A string `json:"a" check:"url"`
		}{}, "must be one of email, nonempty"},
		"check of a number": {struct {
			A int64 `json:"a" check:"nonempty"`
		}{}, "are for strings"},
		"max of an array": {struct {
			A []string `json:"a" max:"3"`
		}{}, "are for strings"},
		"max that is no number": {struct {
			A string `json:"a" max:"x"`
		}{}, `max tag "x"`},
		"max of zero": {struct {
			A string `json:"a" max:"0"`
		}{}, `max tag "0"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shape, err := input.Compile(reflect.TypeOf(tc.in))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
			if shape != nil {
				t.Error("got a shape beside the error")
			}
		})
	}
}

func TestEveryMistakeIsReported(t *testing.T) {
	t.Parallel()
	_, err := input.Compile(reflect.TypeOf(struct {
		First  int    `json:"first"`
		Good   string `json:"good"`
		Second string `json:"second" check:"nothing"`
	}{}))
	if err == nil || !strings.Contains(err.Error(), "field First of") || !strings.Contains(err.Error(), "field Second of") {
		t.Errorf("got %v", err)
	}
}

type everything struct {
	ID       string                 `json:"id" in:"path"`
	Token    *string                `json:"token" in:"query"`
	Tags     []string               `json:"tag" in:"query"`
	Flag     input.Truthy           `json:"flag" in:"query"`
	Off      input.Truthy           `json:"off" in:"query"`
	Name     string                 `json:"name"`
	Count    int64                  `json:"count"`
	Share    float64                `json:"share"`
	On       bool                   `json:"on"`
	Body     input.Truthy           `json:"body"`
	Optional *bool                  `json:"optional"`
	Image    input.Nullable[string] `json:"image"`
	Cover    input.Nullable[string] `json:"cover"`
	Absent   input.Nullable[string] `json:"absent"`
	Any      any                    `json:"any"`
	None     any                    `json:"none"`
	Scopes   []string               `json:"scopes"`
	Params   map[string]string      `json:"params"`
	Inner    []idToken              `json:"inner"`
	Extra    map[string]any         `json:",unknown"`
}

func TestSourceIsTheReverseOfDecode(t *testing.T) {
	t.Parallel()
	want := everything{
		ID: "42", Token: new(""), Tags: []string{"a"}, Flag: true, Name: "n", Count: 1<<62 + 1, Share: 0.5, On: true, Body: true,
		Optional: new(false), Image: input.Nullable[string]{Set: true, Null: true}, Cover: input.Nullable[string]{Set: true, Value: "c"},
		Any: []any{"x", nil}, Scopes: []string{}, Params: map[string]string{"p": "q"},
		Inner: []idToken{{Token: "t", ExpiresAt: new(1.0)}}, Extra: map[string]any{"nickname": "Ada", "none": nil, "age": int64(3)},
	}
	shape := compile[everything](t)
	// "none" is a field's: what Extra says of it is dropped.
	src := shape.Source(reflect.ValueOf(want))
	delete(want.Extra, "none")

	var got everything
	if problems := shape.Decode(src, reflect.ValueOf(&got)); len(problems) > 0 {
		t.Fatal(problems)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !src.HasBody {
		t.Error("no body")
	}
}

func TestSourceOfZeroValuesIsJudgedLikeARequest(t *testing.T) {
	t.Parallel()
	shape := compile[signUp](t)
	var in signUp
	problems := shape.Decode(shape.Source(reflect.ValueOf(in)), reflect.ValueOf(&in))
	if got, want := problems.Error(), "[body.email] Invalid email address; [body.password] Too small: expected string to have >=1 characters"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if src := compile[struct{}](t).Source(reflect.ValueOf(struct{}{})); !reflect.DeepEqual(src, input.Source{}) {
		t.Errorf("got %+v for a struct without fields", src)
	}
}

// Members that Extra cannot bring in from Go, even where the field is absent.
func TestExtraDoesNotFillNamedFields(t *testing.T) {
	t.Parallel()
	shape := compile[signUp](t)
	in := signUp{Name: "n", Email: "a@example.test", Password: "p", Extra: map[string]any{"image": "x", "email": "y"}}
	var got signUp
	problems := shape.Decode(shape.Source(reflect.ValueOf(in)), reflect.ValueOf(&got))
	in.Extra = nil
	if len(problems) > 0 || !reflect.DeepEqual(got, in) {
		t.Errorf("got %+v, %v", got, problems)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"n","count":1,"share":0.5,"on":true,"scopes":["a"],"params":{"a":"b"},"inner":[{"token":"t"}],"image":null,"x":{"y":[1]}}`), "flag=0&tag=a&tag=b&token", "42")
	f.Add([]byte(`{"name":"\u0000","count":1.5,"scopes":[1],"params":{"\u0000":2},"inner":[{}],"\u0000":null}`), "token=%00&tag=x", "\xff")
	f.Add([]byte(`[]`), "", "")
	shape := compile[everything](f)
	f.Fuzz(func(t *testing.T, body []byte, rawQuery, id string) {
		value, err := input.ParseJSON(body)
		if err != nil {
			return
		}
		members, err := input.ParseQuery(rawQuery)
		if err != nil {
			return
		}
		src := input.Source{HasBody: true, Body: value, Query: members, Path: map[string]string{"id": id}}
		var in, again everything
		problems := shape.Decode(src, reflect.ValueOf(&in))
		if len(problems) > 0 {
			if same := shape.Decode(src, reflect.ValueOf(&again)); !reflect.DeepEqual(problems, same) {
				t.Fatalf("first %v, then %v", problems, same)
			}
			return
		}
		if problems := shape.Decode(shape.Source(reflect.ValueOf(in)), reflect.ValueOf(&again)); len(problems) > 0 {
			t.Fatalf("valid once, then %v", problems)
		}
		if !reflect.DeepEqual(in, again) {
			t.Fatalf("first %+v, then %+v", in, again)
		}
	})
}
