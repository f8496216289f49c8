package input_test

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ostiary/ostiary/internal/input"
)

func TestPairsAreRead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		raw  string
		want map[string]any
	}{
		"one":                       {"a=1", map[string]any{"a": "1"}},
		"values stay text":          {"rememberMe=false&n=1", map[string]any{"rememberMe": "false", "n": "1"}},
		"escapes":                   {"%61+b=%2B+%E2%82%AC", map[string]any{"a b": "+ €"}},
		"repeated name":             {"a=1&b=2&a=3&%61=4", map[string]any{"a": []any{"1", "3", "4"}, "b": "2"}},
		"repeated and empty":        {"a=&a=", map[string]any{"a": []any{"", ""}}},
		"names that differ in case": {"a=1&A=2", map[string]any{"a": "1", "A": "2"}},
		"no value":                  {"a", map[string]any{"a": ""}},
		"no name":                   {"=1", map[string]any{"": "1"}},
		"equals sign in the value":  {"a=b=c", map[string]any{"a": "b=c"}},
		"stray separators":          {"&a=1&&", map[string]any{"a": "1"}},
		"semicolon is text":         {"a=1;b=2", map[string]any{"a": "1;b=2"}},
		"brackets are text":         {"a[]=1&b[c]=2", map[string]any{"a[]": "1", "b[c]": "2"}},
		"NUL is kept":               {"a=%00", map[string]any{"a": "\x00"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			query, err := input.ParseQuery(tc.raw)
			if err != nil || !reflect.DeepEqual(query, tc.want) {
				t.Errorf("query: got %#v and error %v, want %#v", query, err, tc.want)
			}
			form, err := input.ParseForm([]byte(tc.raw))
			if err != nil || !reflect.DeepEqual(form, tc.want) {
				t.Errorf("form: got %#v and error %v, want %#v", form, err, tc.want)
			}
		})
	}
}

func TestEmptyFormIsAnObjectToWriteInto(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "&"} {
		form, err := input.ParseForm([]byte(raw))
		if err != nil || form == nil || len(form) > 0 {
			t.Errorf("%q: got %#v and error %v", raw, form, err)
		}
	}
}

func TestOddPairsAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"broken escape":         "a=%zz",
		"escape cut short":      "a=%4",
		"broken escape in name": "%=1",
		"overlong":              "a=%C0%AF",
		"surrogate":             "a=%ED%A0%80",
		"raw invalid UTF-8":     "a=\xff",
		"invalid UTF-8 in name": "%ff=1",
		"too many":              strings.Repeat("a&", 1_001),
	}
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := input.ParseQuery(raw); !errors.Is(err, input.ErrSyntax) || got != nil {
				t.Errorf("query: got %v and error %v, want ErrSyntax", got, err)
			}
			if got, err := input.ParseForm([]byte(raw)); !errors.Is(err, input.ErrSyntax) || got != nil {
				t.Errorf("form: got %v and error %v, want ErrSyntax", got, err)
			}
		})
	}
	if _, err := input.ParseQuery(strings.Repeat("a&", 1_000)); err != nil {
		t.Errorf("1,000 pairs: %v", err)
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"", "a=1&a=2&b", "%61=%2B+x", "&&=", "a=%zz", "a=%ff", "a;b=1", "a=%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := input.ParseQuery(raw)
		if err != nil {
			if !errors.Is(err, input.ErrSyntax) || got != nil {
				t.Fatalf("got %v and error %v", got, err)
			}
			return
		}
		// net/url takes the semicolon for an error; everything else is alike.
		want, err := url.ParseQuery(strings.ReplaceAll(raw, ";", "%3B"))
		if err != nil {
			t.Fatalf("%q is accepted here, but net/url says %v", raw, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%q: got %v, net/url %v", raw, got, want)
		}
		for name, value := range got {
			var values []string
			switch v := value.(type) {
			case string:
				values = []string{v}
			case []any:
				for _, element := range v {
					values = append(values, element.(string))
				}
			}
			if !reflect.DeepEqual(values, want[name]) {
				t.Fatalf("%q: %q is %v, net/url %v", raw, name, values, want[name])
			}
			if !utf8.ValidString(name + strings.Join(values, "")) {
				t.Fatalf("%q: accepted text that is not UTF-8", raw)
			}
		}
	})
}
