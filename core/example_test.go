package core_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
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

func ExampleDatabaseHook() {
	auth, err := core.New(core.Config{
		Secret:        "an-example-of-32-bytes-or-more-0123456789",
		BaseURL:       "http://localhost:8080",
		Store:         memory.New(),
		EmailPassword: core.EmailPassword{Enabled: true},
		DatabaseHooks: []core.DatabaseHook{{
			Table: core.TableUser,
			BeforeCreate: func(_ context.Context, row store.Record) error {
				if !strings.HasSuffix(row.String("email"), "@example.com") {
					return &core.Error{Status: http.StatusForbidden, Code: "NOT_INVITED", Message: "Ask for an invitation"}
				}
				return nil
			},
			AfterCreate: func(_ context.Context, row store.Record) error {
				fmt.Println("welcome,", row.String("name"))
				return nil
			},
		}},
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = auth.Close(context.Background()) }()
	if err := auth.Migrate(context.Background()); err != nil {
		panic(err)
	}

	for _, email := range []string{"eve@elsewhere.com", "ada@example.com"} {
		_, err := auth.SignUpEmail(context.Background(), core.SignUpEmailInput{Name: "Ada", Email: email, Password: "correct horse"})
		fmt.Println(core.AsError(err))
	}
	// Output:
	// Ask for an invitation
	// welcome, Ada
	// <nil>
}

func ExampleAuth_Prune() {
	auth := exampleAuth()
	defer func() { _ = auth.Close(context.Background()) }()

	done, err := auth.Prune(context.Background(), func(p core.Pruned) {
		fmt.Println(p.Sessions, "sessions so far")
	})
	fmt.Printf("%+v %v\n", done, err)
	// Output: {Sessions:0 Verifications:0} <nil>
}
