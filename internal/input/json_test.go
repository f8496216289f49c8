package input_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/internal/input"
)

func TestJSONValuesAreRead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		text string
		want any
	}{
		"null":                                 {`null`, nil},
		"true":                                 {`true`, true},
		"false":                                {` false `, false},
		"empty string":                         {`""`, ""},
		"escapes":                              {`"\u0041\n\/\ud83d\ude00"`, "A\n/😀"},
		"NUL is kept":                          {`"a\u0000b"`, "a\x00b"},
		"negative zero and float":              {`[-0.0, 1.5e3, -7]`, []any{0.0, 1500.0, -7.0}},
		"great number":                         {`123456789012345678901234567890`, 123456789012345678901234567890.0},
		"greatest float":                       {`1.7976931348623157e308`, 1.7976931348623157e308},
		"number too small for a float is zero": {`1e-400`, 0.0},
		"empty array":                          {`[]`, []any{}},
		"empty object":                         {`{}`, map[string]any{}},
		"nested":                               {`{"a":{"b":[1,null,"x"]},"":true}`, map[string]any{"a": map[string]any{"b": []any{1.0, nil, "x"}}, "": true}},
		"names that differ in case":            {`{"a":1,"A":2}`, map[string]any{"a": 1.0, "A": 2.0}},
		"prototype is a name like any":         {`{"__proto__":{"admin":true}}`, map[string]any{"__proto__": map[string]any{"admin": true}}},
		"depth of 32":                          {strings.Repeat("[", 31) + "{}" + strings.Repeat("]", 31), nested(31)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := input.ParseJSON([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %#v, want %#v", got, tc.want)
			}
		})
	}
}

// nested is an empty object inside n arrays.
func nested(n int) any {
	var v any = map[string]any{}
	for range n {
		v = []any{v}
	}
	return v
}

func TestOddJSONIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"nothing":                       ``,
		"white space":                   " \n",
		"cut short":                     `{"email":`,
		"cut in a string":               `{"email":"a`,
		"trailing value":                `{} {}`,
		"trailing value without space":  `{}{}`,
		"trailing text":                 `{"a":1}x`,
		"trailing bracket":              `{}}`,
		"trailing NUL":                  "{}\x00",
		"trailing null":                 `{} null`,
		"duplicate name":                `{"a":1,"a":1}`,
		"duplicate name, escaped":       `{"a":1,"\u0061":1}`,
		"duplicate name, inner":         `{"x":[{"a":1,"b":2,"a":3}]}`,
		"byte order mark":               "\xef\xbb\xbf{}",
		"UTF-16":                        "{\x00}\x00",
		"lone high surrogate":           `"\ud800"`,
		"lone low surrogate":            `"\udc00"`,
		"surrogates in the wrong order": `"\udc00\ud800"`,
		"lone surrogate in a name":      `{"\ud800":1}`,
		"surrogate as UTF-8":            "\"\xed\xa0\x80\"",
		"overlong slash":                "\"\xc0\xaf\"",
		"overlong NUL":                  "\"\xc0\x80\"",
		"stray continuation byte":       "\"\x80\"",
		"beyond Unicode":                "\"\xf4\x90\x80\x80\"",
		"invalid UTF-8 in a name":       "{\"\xff\":1}",
		"raw control character":         "\"a\nb\"",
		"raw NUL":                       "\"a\x00b\"",
		"NaN":                           `NaN`,
		"Infinity":                      `-Infinity`,
		"number beyond float64":         `1e400`,
		"leading zero":                  `01`,
		"plus":                          `+1`,
		"bare fraction":                 `.5`,
		"hexadecimal":                   `0x10`,
		"comment":                       `{/**/}`,
		"trailing comma":                `[1,]`,
		"trailing comma in an object":   `{"a":1,}`,
		"single quotes":                 `{'a':1}`,
		"unquoted name":                 `{a:1}`,
		"name that is a number":         `{1:1}`,
		"literal in capitals":           `TRUE`,
		"brackets that do not match":    `[}`,
		"closing bracket":               `]`,
		"depth of 33":                   strings.Repeat("[", 33) + strings.Repeat("]", 33),
		"depth of 33 in objects":        strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := input.ParseJSON([]byte(text))
			if !errors.Is(err, input.ErrSyntax) {
				t.Errorf("got %#v and error %v, want ErrSyntax", got, err)
			}
			if got != nil {
				t.Errorf("got %#v beside the error", got)
			}
		})
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	// Two brackets and the elements.
	text := func(elements int) []byte {
		return []byte("[" + strings.TrimSuffix(strings.Repeat("1,", elements), ",") + "]")
	}
	if _, err := input.ParseJSON(text(9_998)); err != nil {
		t.Errorf("10,000 tokens: %v", err)
	}
	if _, err := input.ParseJSON(text(9_999)); !errors.Is(err, input.ErrSyntax) {
		t.Errorf("10,001 tokens: error %v, want ErrSyntax", err)
	}
}

// Not parallel: it measures memory.
func TestDepthBombCostsNothing(t *testing.T) {
	const levels = 100_000
	bombs := map[string]string{
		"arrays":       `{"email":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}`,
		"arrays, open": `{"email":` + strings.Repeat("[", levels),
		"objects":      strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels),
		"numbers":      "[" + strings.Repeat("1,", 500_000) + "1]",
	}
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			data := []byte(bomb)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := input.ParseJSON(data)
			elapsed := time.Since(start)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, input.ErrSyntax) {
				t.Fatalf("error %v, want ErrSyntax", err)
			}
			if elapsed > 200*time.Millisecond {
				t.Errorf("took %v", elapsed)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
				t.Errorf("allocated %d bytes", used)
			}
		})
	}
}

func TestSyntaxErrorsDoNotRepeatTheInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("secret", 1_000)
	for _, text := range []string{
		`{"` + long + `":1,"` + long + `":2}`,
		`{"` + long + `":x}`,
		`{"a":"` + long + `\ud800"}`,
		`[1` + strings.Repeat("0", 10_000) + `]`,
	} {
		_, err := input.ParseJSON([]byte(text))
		if err == nil {
			t.Fatalf("%.20s…: accepted", text)
		}
		if len(err.Error()) > 200 || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.20s…: error %.300q", text, err)
		}
	}
}

func TestParsedValueDoesNotAliasTheBytes(t *testing.T) {
	t.Parallel()
	data := []byte(`{"name":"Ada"}`)
	got, err := input.ParseJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = 'x'
	}
	if want := map[string]any{"name": "Ada"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"email":"a@example.test","password":"x","rememberMe":true}`, `[1,-0,1e5,1e400]`, `"\ud83d\ude00"`, `"\ud800"`,
		`{"a":1,"a":2}`, `{"a":{"b":[null]}}x`, "\xef\xbb\xbf1", "\"\xc0\x80\"", "\"\u2028\"", `{"\u0000":"\u0000"}`, ``, `nul`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		original := bytes.Clone(data)
		got, err := input.ParseJSON(data)
		if !bytes.Equal(data, original) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			if !errors.Is(err, input.ErrSyntax) {
				t.Fatalf("error %v does not wrap ErrSyntax", err)
			}
			return
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("%q is accepted here, but encoding/json says %v", data, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, encoding/json %#v", data, got, want)
		}
	})
}
