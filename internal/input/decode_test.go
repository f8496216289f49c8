package input_test

import (
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/internal/input"
)

type signUp struct {
	Name        string         `json:"name" max:"256"`
	Email       string         `json:"email" check:"email"`
	Password    string         `json:"password" check:"nonempty"`
	Image       *string        `json:"image" max:"2048"`
	CallbackURL *string        `json:"callbackURL"`
	RememberMe  *bool          `json:"rememberMe"`
	Extra       map[string]any `json:",unknown"`
}

type signInSocial struct {
	Provider string             `json:"provider"`
	Scopes   *[]string          `json:"scopes"`
	Params   *map[string]string `json:"additionalParams"`
	Data     *map[string]any    `json:"additionalData"`
	IDToken  *idToken           `json:"idToken"`
}

type idToken struct {
	Token     string   `json:"token"`
	ExpiresAt *float64 `json:"expiresAt"`
	User      *struct {
		Name *struct {
			FirstName *string `json:"firstName"`
		} `json:"name"`
	} `json:"user"`
}

func compile[T any](t testing.TB) *input.Shape {
	t.Helper()
	shape, err := input.Compile(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return shape
}

func decode[T any](t testing.TB, src input.Source) (T, input.Problems) {
	t.Helper()
	var in T
	problems := compile[T](t).Decode(src, reflect.ValueOf(&in))
	return in, problems
}

// jsonBody is the source of a request with the JSON text as its body; none
// when the text is empty.
func jsonBody(t testing.TB, text string) input.Source {
	t.Helper()
	if text == "" {
		return input.Source{}
	}
	value, err := input.ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%.100s: %v", text, err)
	}
	return input.Source{Body: value, HasBody: true}
}

func query(t testing.TB, raw string) input.Source {
	t.Helper()
	members, err := input.ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	return input.Source{Query: members}
}

func TestValidBodyFillsTheStruct(t *testing.T) {
	t.Parallel()
	got, problems := decode[signUp](t, jsonBody(t,
		`{"name":"","email":"a@example.test","password":"x","image":"/a.png","rememberMe":false,"nickname":"Ada","tags":["a",null],"Email":"b"}`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := signUp{
		Email: "a@example.test", Password: "x", Image: new("/a.png"), RememberMe: new(false),
		Extra: map[string]any{"nickname": "Ada", "tags": []any{"a", nil}, "Email": "b"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

func TestInnerValuesFillTheStruct(t *testing.T) {
	t.Parallel()
	got, problems := decode[signInSocial](t, jsonBody(t, `{"provider":"google","scopes":["a","b"],"additionalParams":{"x":"1"},
		"additionalData":{"n":1,"null":null},"idToken":{"token":"t","expiresAt":1.5,"user":{"name":{"firstName":"Ada"}},"other":1}}`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if !reflect.DeepEqual(got.Scopes, &[]string{"a", "b"}) ||
		!reflect.DeepEqual(got.Params, &map[string]string{"x": "1"}) ||
		!reflect.DeepEqual(got.Data, &map[string]any{"n": 1.0, "null": nil}) ||
		got.IDToken.Token != "t" || *got.IDToken.ExpiresAt != 1.5 || *got.IDToken.User.Name.FirstName != "Ada" {
		t.Errorf("got %#v", got)
	}
}

func TestProblemsReadAsOnTheWire(t *testing.T) {
	t.Parallel()
	const valid = `"name":"n","email":"a@example.test","password":"p"`
	cases := map[string]struct{ body, want string }{
		"all at once, in the order of the fields": {
			`{"password":"","email":"nobody","name":5}`,
			`[body.name] Invalid input: expected string, received number; [body.email] Invalid email address; [body.password] Too small: expected string to have >=1 characters`,
		},
		"no body":        {``, `[body] Invalid input: expected object, received undefined`},
		"body is null":   {`null`, `[body] Invalid input: expected object, received null`},
		"body is array":  {`[]`, `[body] Invalid input: expected object, received array`},
		"body is string": {`"x"`, `[body] Invalid input: expected object, received string`},
		"body is number": {`1`, `[body] Invalid input: expected object, received number`},
		"body is bool":   {`true`, `[body] Invalid input: expected object, received boolean`},
		"all absent": {
			`{}`,
			`[body.name] Invalid input: expected string, received undefined; [body.email] Invalid input: expected string, received undefined; [body.password] Invalid input: expected string, received undefined`,
		},
		"other kinds for text": {
			`{"name":{},"email":[],"password":true}`,
			`[body.name] Invalid input: expected string, received object; [body.email] Invalid input: expected string, received array; [body.password] Invalid input: expected string, received boolean`,
		},
		"null for text": {
			`{"name":null,"email":"a@example.test","password":"p"}`,
			`[body.name] Invalid input: expected string, received null`,
		},
		"name in another case": {
			`{"Name":"n","email":"a@example.test","password":"p"}`,
			`[body.name] Invalid input: expected string, received undefined`,
		},
		"null for optional text": {`{` + valid + `,"image":null}`, `[body.image] Invalid input: expected string, received null`},
		"text for a bool":        {`{` + valid + `,"rememberMe":"false"}`, `[body.rememberMe] Invalid input: expected boolean, received string`},
		"number for a bool":      {`{` + valid + `,"rememberMe":1}`, `[body.rememberMe] Invalid input: expected boolean, received number`},
		"NUL in text":            {`{"name":"a\u0000","email":"a@example.test\u0000","password":"\u0000"}`, `[body.name] Invalid input: contains a NUL character; [body.email] Invalid input: contains a NUL character; [body.password] Invalid input: contains a NUL character`},
		"NUL in unknown members": {
			`{` + valid + `,"z":"\u0000","a":[{"x":"\u0000"},"\u0000"],"m":{"\u0000":1}}`,
			`[body.a] Invalid input: contains a NUL character; [body.m] Invalid input: contains a NUL character; [body.z] Invalid input: contains a NUL character`,
		},
		"NUL in an unknown name": {`{` + valid + `,"a\u0000":1}`, `[body] Invalid input: contains a NUL character`},
		"long name":              {`{"name":"` + strings.Repeat("n", 1<<20) + `","email":"a@example.test","password":"p"}`, `[body.name] Too big: expected string to have <=256 characters`},
		"long local part":        {`{"name":"n","email":"` + strings.Repeat("a", 400) + `@example.test","password":"p"}`, `[body.email] Invalid email address`},
		"long image":             {`{` + valid + `,"image":"` + strings.Repeat("i", 100<<10) + `"}`, `[body.image] Too big: expected string to have <=2048 characters`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := decode[signUp](t, jsonBody(t, tc.body))
			if got := problems.Error(); got != tc.want {
				t.Errorf("got  %.400s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestInnerProblemsNameTheirPlace(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ body, want string }{
		"array": {
			`{"provider":"p","scopes":["a",1,null,["a"]]}`,
			`[body.scopes.1] Invalid input: expected string, received number; [body.scopes.2] Invalid input: expected string, received null; [body.scopes.3] Invalid input: expected string, received array`,
		},
		"no array":                {`{"provider":"p","scopes":"a"}`, `[body.scopes] Invalid input: expected array, received string`},
		"object instead of array": {`{"provider":"p","scopes":{"0":"a"}}`, `[body.scopes] Invalid input: expected array, received object`},
		"record": {
			`{"provider":"p","additionalParams":{"b":1,"a":{},"c":"x"}}`,
			`[body.additionalParams.a] Invalid input: expected string, received object; [body.additionalParams.b] Invalid input: expected string, received number`,
		},
		"no record": {`{"provider":"p","additionalParams":[]}`, `[body.additionalParams] Invalid input: expected record, received array`},
		"NUL in names and values of records": {
			`{"provider":"p","additionalParams":{"\u0000":"x","a":"\u0000"},"additionalData":{"b":[["\u0000"]]}}`,
			`[body.additionalParams] Invalid input: contains a NUL character; [body.additionalParams.a] Invalid input: contains a NUL character; [body.additionalData.b] Invalid input: contains a NUL character`,
		},
		"object": {
			`{"provider":"p","idToken":{"expiresAt":"1","user":{"name":{"firstName":1}}}}`,
			`[body.idToken.token] Invalid input: expected string, received undefined; [body.idToken.expiresAt] Invalid input: expected number, received string; [body.idToken.user.name.firstName] Invalid input: expected string, received number`,
		},
		"no object":       {`{"provider":"p","idToken":"eyJ"}`, `[body.idToken] Invalid input: expected object, received string`},
		"null for object": {`{"provider":"p","idToken":null}`, `[body.idToken] Invalid input: expected object, received null`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := decode[signInSocial](t, jsonBody(t, tc.body))
			if got := problems.Error(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestRequiredOfEveryType(t *testing.T) {
	t.Parallel()
	type all struct {
		B bool              `json:"b"`
		I int64             `json:"i"`
		F float64           `json:"f"`
		L []string          `json:"l"`
		M map[string]string `json:"m"`
		D map[string]any    `json:"d"`
		S struct {
			X string `json:"x"`
		} `json:"s"`
		A any          `json:"a"`
		T input.Truthy `json:"t"`
	}
	_, problems := decode[all](t, jsonBody(t, `{}`))
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	want := []string{
		"[body.b] Invalid input: expected boolean, received undefined",
		"[body.i] Invalid input: expected number, received undefined",
		"[body.f] Invalid input: expected number, received undefined",
		"[body.l] Invalid input: expected array, received undefined",
		"[body.m] Invalid input: expected record, received undefined",
		"[body.d] Invalid input: expected record, received undefined",
		"[body.s] Invalid input: expected object, received undefined",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBodyIsAskedForWhenAFieldNeedsIt(t *testing.T) {
	t.Parallel()
	type optional struct {
		CallbackURL *string                `json:"callbackURL"`
		Image       input.Nullable[string] `json:"image"`
		Any         any                    `json:"any"`
		Truthy      input.Truthy           `json:"truthy"`
		Extra       map[string]any         `json:",unknown"`
	}
	type queryOnly struct {
		Token string `json:"token" in:"query"`
	}
	t.Run("optional fields: none is asked for", func(t *testing.T) {
		t.Parallel()
		if got, problems := decode[optional](t, input.Source{}); len(problems) > 0 || !reflect.DeepEqual(got, optional{}) {
			t.Errorf("got %+v, %v", got, problems)
		}
	})
	t.Run("optional fields: one that is there must be an object", func(t *testing.T) {
		t.Parallel()
		_, problems := decode[optional](t, jsonBody(t, `null`))
		if got, want := problems.Error(), "[body] Invalid input: expected object, received null"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("no field: it is ignored", func(t *testing.T) {
		t.Parallel()
		if _, problems := decode[struct{}](t, jsonBody(t, `[1]`)); len(problems) > 0 {
			t.Error(problems)
		}
	})
	t.Run("fields in the query: it is ignored, also for what the query lacks", func(t *testing.T) {
		t.Parallel()
		_, problems := decode[queryOnly](t, jsonBody(t, `{"token":"x"}`))
		if got, want := problems.Error(), "[query.token] Invalid input: expected string, received undefined"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// Embedded, because go vet does not know of the in tag.
type resetQuery struct {
	QueryToken *string `json:"token" in:"query"`
}

func TestQueryAndPathStandBesideTheBody(t *testing.T) {
	t.Parallel()
	type reset struct {
		ID       string  `json:"id" in:"path" max:"8"`
		Password string  `json:"newPassword"`
		Token    *string `json:"token"`
		resetQuery
		Flag     input.Truthy `json:"flag" in:"query"`
		Tags     *[]string    `json:"tag" in:"query"`
		Whatever any          `json:"whatever" in:"query"`
	}
	src := query(t, "token=q&flag=false&tag=a&tag=b&newPassword=stolen&whatever=w")
	src.Path = map[string]string{"id": "42"}
	src.HasBody, src.Body = true, map[string]any{"newPassword": "p", "flag": true, "id": "9"}
	got, problems := decode[reset](t, src)
	want := reset{ID: "42", Password: "p", resetQuery: resetQuery{new("q")}, Flag: true, Tags: &[]string{"a", "b"}, Whatever: "w"}
	if len(problems) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, problems, want)
	}

	src = query(t, "token=a&token=b&tag=a")
	src.Path = map[string]string{"id": "a\x00"}
	_, problems = decode[reset](t, src)
	wantText := "[path.id] Invalid input: contains a NUL character; [body] Invalid input: expected object, received undefined; " +
		"[query.token] Invalid input: expected string, received array; [query.tag] Invalid input: expected array, received string"
	if got := problems.Error(); got != wantText {
		t.Errorf("got  %s\nwant %s", got, wantText)
	}

	_, problems = decode[reset](t, jsonBody(t, `{"newPassword":"p","id":"9"}`))
	if got, want := problems.Error(), "[path.id] Invalid input: expected string, received undefined"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	src = query(t, "token=%00")
	src.Path = map[string]string{"id": "\xff"}
	src.HasBody, src.Body = true, map[string]any{"newPassword": "p"}
	_, problems = decode[reset](t, src)
	wantText = "[path.id] Invalid input: is not valid UTF-8; [query.token] Invalid input: contains a NUL character"
	if got := problems.Error(); got != wantText {
		t.Errorf("got  %s\nwant %s", got, wantText)
	}
}

func TestTruthyFollowsJavaScript(t *testing.T) {
	t.Parallel()
	type in struct {
		V input.Truthy `json:"v"`
		Q input.Truthy `json:"q" in:"query"`
	}
	for raw, want := range map[string]input.Truthy{"": false, "q": false, "q=": false, "q=1": true, "q=0": true, "q=false": true, "q=&q=": true, "Q=1": false} {
		if got, problems := decode[in](t, query(t, raw)); got.Q != want || len(problems) > 0 {
			t.Errorf("query %q: got %v, %v; want %v", raw, got.Q, problems, want)
		}
	}
	for text, want := range map[string]input.Truthy{
		`null`: false, `""`: false, `0`: false, `-0`: false, `false`: false, `true`: true, `"0"`: true, `1`: true, `[]`: true, `{}`: true,
	} {
		if got, problems := decode[in](t, jsonBody(t, `{"v":`+text+`}`)); got.V != want || len(problems) > 0 {
			t.Errorf("body %s: got %v, %v; want %v", text, got.V, problems, want)
		}
	}
}

func TestNullableTellsNullFromAbsent(t *testing.T) {
	t.Parallel()
	type in struct {
		Image input.Nullable[string] `json:"image" max:"3"`
		Any   input.Nullable[any]    `json:"any"`
	}
	cases := map[string]struct {
		want    in
		problem string
	}{
		`{}`:                        {},
		`{"image":null,"any":null}`: {want: in{input.Nullable[string]{Set: true, Null: true}, input.Nullable[any]{Set: true, Null: true}}},
		`{"image":"","any":0}`:      {want: in{input.Nullable[string]{Set: true}, input.Nullable[any]{Set: true, Value: 0.0}}},
		`{"image":"abc"}`:           {want: in{Image: input.Nullable[string]{Set: true, Value: "abc"}}},
		`{"image":1}`:               {problem: "[body.image] Invalid input: expected string, received number"},
		`{"image":"abcd"}`:          {problem: "[body.image] Too big: expected string to have <=3 characters"},
	}
	for text, tc := range cases {
		got, problems := decode[in](t, jsonBody(t, text))
		if problems.Error() != tc.problem {
			t.Errorf("%s: got %v, want %s", text, problems, tc.problem)
		}
		if tc.problem == "" && !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %+v, want %+v", text, got, tc.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	type in struct {
		I *int64   `json:"i"`
		F *float64 `json:"f"`
	}
	const number = "Invalid input: expected number, received "
	cases := map[string]struct {
		value any
		i     int64
		f     float64
		badI  string
		badF  string
	}{
		"zero":              {value: 0.0},
		"whole":             {value: -5.0, i: -5, f: -5},
		"whole in exponent": {value: 1e3, i: 1000, f: 1000},
		"greatest":          {value: float64(1<<53 - 1), i: 1<<53 - 1, f: 1<<53 - 1},
		"least":             {value: -float64(1<<53 - 1), i: -(1<<53 - 1), f: -(1<<53 - 1)},
		"int64 from Go":     {value: int64(math.MaxInt64), i: math.MaxInt64, f: math.MaxInt64},
		"fraction":          {value: 1.5, f: 1.5, badI: "Invalid input: expected int, received number"},
		"too great":         {value: float64(1 << 53), f: 1 << 53, badI: "Too big: expected int to be <=9007199254740991"},
		"too small":         {value: -1e300, f: -1e300, badI: "Too small: expected int to be >=-9007199254740991"},
		"NaN":               {value: math.NaN(), badI: number + "NaN", badF: number + "NaN"},
		"Infinity":          {value: math.Inf(1), badI: number + "Infinity", badF: number + "Infinity"},
		"text":              {value: "1", badI: number + "string", badF: number + "string"},
		"null":              {value: nil, badI: number + "null", badF: number + "null"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := decode[in](t, input.Source{HasBody: true, Body: map[string]any{"i": tc.value, "f": tc.value}})
			var want input.Problems
			if tc.badI != "" {
				want = append(want, input.Problem{Where: input.Body, Path: "i", Text: tc.badI})
			}
			if tc.badF != "" {
				want = append(want, input.Problem{Where: input.Body, Path: "f", Text: tc.badF})
			}
			if !reflect.DeepEqual(problems, want) {
				t.Fatalf("got %v, want %v", problems, want)
			}
			if tc.badI == "" && *got.I != tc.i || tc.badF == "" && *got.F != tc.f {
				t.Errorf("got %d and %v, want %d and %v", *got.I, *got.F, tc.i, tc.f)
			}
		})
	}
}

func TestLengthCountsAsJavaScriptDoes(t *testing.T) {
	t.Parallel()
	type in struct {
		S string `json:"s" max:"4"`
	}
	for s, fits := range map[string]bool{"": true, "abcd": true, "abcde": false, "€€€€": true, "€€€€€": false, "😀😀": true, "😀😀a": false, "éééé": true} {
		_, problems := decode[in](t, input.Source{HasBody: true, Body: map[string]any{"s": s}})
		if (len(problems) == 0) != fits {
			t.Errorf("%q: got %v", s, problems)
		}
	}
}

func TestBrokenConditionsAddUp(t *testing.T) {
	t.Parallel()
	type in struct {
		Email string `json:"email" check:"email" max:"3"`
	}
	_, problems := decode[in](t, jsonBody(t, `{"email":"abcd"}`))
	if got, want := problems.Error(), "[body.email] Invalid email address; [body.email] Too big: expected string to have <=3 characters"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAnyTakesEverything(t *testing.T) {
	t.Parallel()
	type in struct {
		V any `json:"v"`
	}
	for text, want := range map[string]any{
		`{}`: nil, `{"v":null}`: nil, `{"v":1}`: 1.0, `{"v":"x"}`: "x", `{"v":[true]}`: []any{true}, `{"v":{"a":null}}`: map[string]any{"a": nil},
	} {
		got, problems := decode[in](t, jsonBody(t, text))
		if len(problems) > 0 || !reflect.DeepEqual(got.V, want) {
			t.Errorf("%s: got %v, %v; want %v", text, got.V, problems, want)
		}
	}
	_, problems := decode[in](t, jsonBody(t, `{"v":{"a":[{"\u0000":1}]}}`))
	if got, want := problems.Error(), "[body.v] Invalid input: contains a NUL character"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestArraysAndRecordsOfStructs(t *testing.T) {
	t.Parallel()
	type item struct {
		ID   string         `json:"id"`
		Rest map[string]any `json:",unknown"`
	}
	type in struct {
		Items []item          `json:"items"`
		Named map[string]item `json:"named"`
	}
	got, problems := decode[in](t, jsonBody(t, `{"items":[{"id":"1","x":2},{"id":"2"}],"named":{"a":{"id":"3","y":null},"b":{"id":"4"}}}`))
	want := in{
		Items: []item{{ID: "1", Rest: map[string]any{"x": 2.0}}, {ID: "2"}},
		Named: map[string]item{"a": {ID: "3", Rest: map[string]any{"y": nil}}, "b": {ID: "4"}},
	}
	if len(problems) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, problems, want)
	}
	_, problems = decode[in](t, jsonBody(t, `{"items":[{"id":"1","x":"\u0000"},1],"named":{"a":{}}}`))
	wantText := "[body.items.0.x] Invalid input: contains a NUL character; [body.items.1] Invalid input: expected object, received number; " +
		"[body.named.a.id] Invalid input: expected string, received undefined"
	if problems.Error() != wantText {
		t.Errorf("got  %s\nwant %s", problems, wantText)
	}
}

type selector struct {
	AccountID *string `json:"accountId"`
}

func TestEmbeddedStructLendsItsFields(t *testing.T) {
	t.Parallel()
	type in struct {
		selector
		UserID string `json:"userId"`
		Note   string `json:"-"`
		hidden string
	}
	got, problems := decode[in](t, jsonBody(t, `{"accountId":"a","userId":"u","-":"x","Note":"x","hidden":"x"}`))
	if len(problems) > 0 || *got.AccountID != "a" || got.UserID != "u" || got.Note != "" || got.hidden != "" {
		t.Errorf("got %+v, %v", got, problems)
	}
}

func TestDecodeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	shape := compile[signUp](t)
	in := signUp{Name: "old", Image: new("old"), RememberMe: new(true), Extra: map[string]any{"role": "admin"}}
	problems := shape.Decode(jsonBody(t, `{"name":"n","email":"a@example.test","password":"p"}`), reflect.ValueOf(&in))
	want := signUp{Name: "n", Email: "a@example.test", Password: "p"}
	if len(problems) > 0 || !reflect.DeepEqual(in, want) {
		t.Errorf("got %+v, %v; want %+v", in, problems, want)
	}
}

func TestUndefinedIsAbsent(t *testing.T) {
	t.Parallel()
	got, problems := decode[signUp](t, input.Source{HasBody: true, Body: map[string]any{
		"name": input.Undefined, "email": "a@example.test", "password": "p", "image": input.Undefined, "nickname": input.Undefined,
	}})
	if got.Image != nil || got.Extra != nil {
		t.Errorf("got %+v", got)
	}
	if got, want := problems.Error(), "[body.name] Invalid input: expected string, received undefined"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Hooks may put anything into a body.
func TestValuesOfGoCodeDoNoHarm(t *testing.T) {
	t.Parallel()
	circle := map[string]any{}
	circle["circle"] = circle
	_, problems := decode[signUp](t, input.Source{HasBody: true, Body: map[string]any{
		"name": []string{"n"}, "email": "a@example.test", "password": "\xff",
		"a": circle, "b": []string{"ok", "\x00"}, "c": func() {}, "d": []any{"\xff"},
	}})
	want := "[body.name] Invalid input: expected string, received []string; [body.password] Invalid input: is not valid UTF-8; " +
		"[body.a] Invalid input: is nested too deeply; [body.b] Invalid input: contains a NUL character; [body.d] Invalid input: is not valid UTF-8"
	if got := problems.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnswerStaysSmall(t *testing.T) {
	t.Parallel()
	type in struct {
		Lists map[string][]string `json:"lists"`
	}
	name := "x" + strings.Repeat("ä", 200_000)
	_, problems := decode[in](t, jsonBody(t, `{"lists":{"`+name+`":[`+strings.Repeat("1,", 9_000)+`1]}}`))
	if len(problems) != 64 {
		t.Errorf("got %d problems, want 64", len(problems))
	}
	if got, want := problems[0].Path, "lists.x"+strings.Repeat("ä", 31)+"….0"; got != want {
		t.Errorf("got path %.100s, want %s", got, want)
	}
	if got := len(problems.Error()); got > 16<<10 {
		t.Errorf("got a message of %d bytes", got)
	}
}

func TestDecodeIntoAnotherTypePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	problems := compile[signUp](t).Decode(input.Source{}, reflect.ValueOf(&signInSocial{}))
	t.Errorf("got %v", problems)
}

func TestShapeServesManyCallers(t *testing.T) {
	t.Parallel()
	shape := compile[signInSocial](t)
	src := jsonBody(t, `{"provider":"p","scopes":["a","b"],"additionalParams":{"x":1},"idToken":{"token":"t"}}`)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 100 {
				var in signInSocial
				problems := shape.Decode(src, reflect.ValueOf(&in))
				if len(problems) != 1 || in.Provider != "p" || len(*in.Scopes) != 2 {
					t.Errorf("got %+v, %v", in, problems)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A valid body costs what the struct itself holds on to: a pointer for each
// optional field that is there.
func TestValidInputCostsFewAllocations(t *testing.T) {
	type signIn struct {
		Email       string  `json:"email"`
		Password    string  `json:"password"`
		CallbackURL *string `json:"callbackURL"`
		RememberMe  *bool   `json:"rememberMe"`
	}
	shape := compile[signIn](t)
	src := jsonBody(t, `{"email":"a@example.test","password":"correct horse","rememberMe":true}`)
	var in signIn
	dst := reflect.ValueOf(&in)
	got := testing.AllocsPerRun(100, func() {
		if problems := shape.Decode(src, dst); len(problems) > 0 {
			t.Fatal(problems)
		}
	})
	if got > 2 {
		t.Errorf("got %v allocations, want at most 2", got)
	}
}

func BenchmarkParseJSON(b *testing.B) {
	data := []byte(`{"email":"a@example.test","password":"correct horse battery staple","rememberMe":true,"callbackURL":"/dashboard"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := input.ParseJSON(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	shape := compile[signUp](b)
	src := jsonBody(b, `{"name":"Ada","email":"a@example.test","password":"correct horse battery staple","rememberMe":true,"callbackURL":"/dashboard"}`)
	b.ReportAllocs()
	for b.Loop() {
		var in signUp
		if problems := shape.Decode(src, reflect.ValueOf(&in)); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}
