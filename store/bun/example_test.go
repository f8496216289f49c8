package bunstore_test

import (
	"context"
	"fmt"
	"log"

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
