package bunstore_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
	bunstore "github.com/ostiary/ostiary/store/bun"
)

func Example() {
	ctx := context.Background()
	s, err := bunstore.Open("sqlite::memory:")
	if err != nil {
		log.Fatal(err)
	}
	schema, err := store.NewSchema(store.SnakePlural(), store.IDs{}, store.Table{
		Name:   "user",
		Fields: []*store.Field{{Name: "email", Type: store.String, Required: true, Unique: true}},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Migrate(ctx, schema); err != nil {
		log.Fatal(err)
	}
	users := schema.Table("user")
	if _, err := s.Create(ctx, users, store.Record{"id": "1", "email": "ada@example.com"}); err != nil {
		log.Fatal(err)
	}

	// The application's own queries, on the same pool.
	var emails []string
	if err := s.DB().NewSelect().Table("users").Column("email").Scan(ctx, &emails); err != nil {
		log.Fatal(err)
	}
	fmt.Println(emails)
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: [ada@example.com]
}

func ExampleStore_Plan() {
	ctx := context.Background()
	s, err := bunstore.Open("sqlite::memory:")
	if err != nil {
		log.Fatal(err)
	}
	schema, err := store.NewSchema(store.SnakePlural(), store.IDs{}, store.Table{
		Name:   "user",
		Fields: []*store.Field{{Name: "email", Type: store.String, Required: true, Unique: true}},
	})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := s.Plan(ctx, schema)
	if err != nil {
		log.Fatal(err)
	}
	for _, sql := range plan.Statements {
		fmt.Println(sql + ";")
	}
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// CREATE TABLE "users" (
	// 	"id" text NOT NULL,
	// 	"email" text NOT NULL,
	// 	PRIMARY KEY ("id")
	// );
	// CREATE UNIQUE INDEX "users_email_uidx" ON "users" ("email");
}

// profile is a row of the application's own.
type profile struct {
	UserID string
	Plan   string
}

// exampleAuth is an engine on a store that has a table of profiles as well.
func exampleAuth(ctx context.Context) (auth *core.Auth, s *bunstore.Store, done func()) {
	s, err := bunstore.Open("sqlite::memory:", bunstore.Migrations(bunstore.MigrationGroup{
		Name:       "app",
		Migrations: []bunstore.Migration{{Name: "0001_profiles", Up: bunstore.SQL("CREATE TABLE profiles (user_id text PRIMARY KEY, plan text)")}},
	}))
	if err != nil {
		log.Fatal(err)
	}
	auth, err = core.New(core.Config{
		Secret:        "an-example-of-32-bytes-or-more-0123456789",
		BaseURL:       "http://localhost:8080",
		Store:         s,
		EmailPassword: core.EmailPassword{Enabled: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := auth.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	return auth, s, func() { _ = errors.Join(auth.Close(ctx), s.Close()) }
}

// A user and the application's own row about them, both or neither.
func ExampleStore_IDB() {
	ctx := context.Background()
	auth, s, done := exampleAuth(ctx)
	defer done()
	err := auth.Database().Tx(ctx, func(ctx context.Context) error {
		reply, err := auth.SignUpEmail(ctx, core.SignUpEmailInput{Name: "Ada", Email: "ada@example.com", Password: "correct horse battery"})
		if err != nil {
			return err
		}
		_, err = s.IDB(ctx).NewInsert().Model(&profile{UserID: reply.Value.User.ID, Plan: "pro"}).Exec(ctx)
		return err
	})
	if err != nil {
		log.Print(err)
		return
	}
	n, err := s.DB().NewSelect().Model((*profile)(nil)).Join("JOIN users ON users.id = user_id").Count(ctx)
	fmt.Println(n, err)
	// Output: 1 <nil>
}

// The application has begun the transaction, and the engine joins it: not by
// [bunstore.Store.JoinTx], which is for calls of the store itself.
func ExampleStore_JoinTx() {
	ctx := context.Background()
	auth, s, done := exampleAuth(ctx)
	defer done()
	tx, err := s.DB().BeginTx(ctx, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = tx.Rollback() }() // of no effect after the commit

	joined, committed, err := auth.WithTx(ctx, tx)
	if err != nil {
		log.Print(err)
		return
	}
	reply, err := auth.SignUpEmail(joined, core.SignUpEmailInput{Name: "Ada", Email: "ada@example.com", Password: "correct horse battery"})
	if err != nil {
		log.Print(err)
		return
	}
	if _, err := tx.NewInsert().Model(&profile{UserID: reply.Value.User.ID, Plan: "pro"}).Exec(ctx); err != nil {
		log.Print(err)
		return
	}
	if err := tx.Commit(); err != nil {
		log.Print(err)
		return
	}
	// Cookies and hooks have waited for this.
	fmt.Println(committed())
	// Output: <nil>
}

func ExampleMigrations() {
	s, err := bunstore.Open("sqlite::memory:", bunstore.Migrations(
		bunstore.MigrationGroup{Name: "billing", After: []string{"app"}, Migrations: []bunstore.Migration{
			{Name: "0001_invoices", Up: bunstore.SQL("CREATE TABLE invoices (id text PRIMARY KEY, project_id text REFERENCES projects (id))")},
		}},
		bunstore.MigrationGroup{Name: "app", Migrations: []bunstore.Migration{
			{Name: "0001_projects", Up: bunstore.SQL("CREATE TABLE projects (id text PRIMARY KEY, owner_id text REFERENCES users (id))")},
		}},
	))
	if err != nil {
		panic(err)
	}
	defer func() { _ = s.Close() }()
	schema, err := store.NewSchema(store.SnakePlural(), store.UUIDv7(), store.Table{Name: "user"})
	if err != nil {
		panic(err)
	}
	for range 2 {
		plan, err := s.Plan(context.Background(), schema)
		if err != nil {
			panic(err)
		}
		fmt.Println(len(plan.Statements), "to do")
		if err := s.Migrate(context.Background(), schema); err != nil {
			panic(err)
		}
	}
	// Output:
	// 4 to do
	// 0 to do
}
