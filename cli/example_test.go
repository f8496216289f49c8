package cli_test

import (
	"context"
	"os"

	"github.com/ostiary/ostiary/cli"
	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

// authConfig is the configuration of an application. Its server makes its engine
// of it, too.
func authConfig() (core.Config, error) {
	db, err := bunstore.Open(os.Getenv("DATABASE_URL"))
	return core.Config{
		Secret:     os.Getenv("AUTH_SECRET"),
		BaseURL:    os.Getenv("BASE_URL"),
		Store:      db,
		UserFields: []*store.Field{{Name: "nickname", Type: store.String, Input: true, Returned: true}},
	}, err
}

// newAuth makes the engine for the commands, one that deletes nothing by itself.
func newAuth(context.Context) (*core.Auth, error) {
	config, err := authConfig()
	if err != nil {
		return nil, err
	}
	config.Upkeep.Disabled = true
	return core.New(config)
}

// The whole main function of a program that migrates and examines the database
// of an application.
func ExampleMain() {
	cli.Main(newAuth)
}

// An application that is one program answers the commands beside its own:
// "app auth migrate".
func ExampleProgram_Run() {
	if len(os.Args) > 1 && os.Args[1] == "auth" {
		p := cli.Program{Name: "app auth", Load: newAuth}
		os.Exit(p.Run(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
}
