package core_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store/memory"
)

func exampleAuth() *core.Auth {
	auth, err := core.New(core.Config{
		Secret:        "an-example-of-32-bytes-or-more-0123456789",
		BaseURL:       "http://localhost:8080",
		Store:         memory.New(),
		EmailPassword: core.EmailPassword{Enabled: true},
	})
	if err != nil {
		panic(err)
	}
	if err := auth.Migrate(context.Background()); err != nil {
		panic(err)
	}
	return auth
}

func printResponse(w *httptest.ResponseRecorder) { fmt.Println(w.Code, w.Body) }

func ExampleNew() {
	auth, err := core.New(core.Config{
		Secret:        "an-example-of-32-bytes-or-more-0123456789",
		BaseURL:       "http://localhost:8080",
		Store:         memory.New(),
		EmailPassword: core.EmailPassword{Enabled: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = auth.Close(context.Background()) }()
	fmt.Println(auth.BasePath())
	// Output: /api/auth
}

func ExampleConfigError() {
	_, err := core.New(core.Config{Secret: "short", Store: memory.New()})
	fmt.Println(err)
	// Output:
	// ostiary: the configuration has problems:
	//   Secret: is 5 bytes long; use at least 32
	//   BaseURL: is empty; use the public origin, such as "https://example.com" or "http://localhost:8080"
}

func ExampleAuth_Handler() {
	auth := exampleAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	mux := http.NewServeMux()
	mux.Handle(auth.BasePath()+"/", auth.Handler())

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/auth/get-session", nil))
	printResponse(w)
	// Output: 200 null
}
