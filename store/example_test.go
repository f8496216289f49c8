package store_test

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/store"
	"github.com/ostiary/ostiary/store/memory"
)

func ExampleNaming() {
	schema, err := store.NewSchema(
		store.Naming{Prefix: "auth_", Columns: map[string]string{"user.createdAt": "born"}},
		store.RandomIDs(),
		store.Table{Name: "user", Fields: []*store.Field{{Name: "createdAt", Type: store.Time}, {Name: "emailVerified", Type: store.Bool}}},
	)
	if err != nil {
		panic(err)
	}
	user := schema.Table("user")
	fmt.Println(user.DBName(), user.Field("createdAt").DBName(), user.Field("emailVerified").DBName())
	// Output: auth_users born email_verified
}

// The rows that refer to a row come with it, in the same statement.
func ExampleChildren() {
	ctx := context.Background()
	schema, err := store.NewSchema(store.Naming{}, store.SerialIDs(),
		store.Table{Name: "user", Fields: []*store.Field{{Name: "name", Type: store.String}}},
		store.Table{Name: "account", Fields: []*store.Field{
			{Name: "provider", Type: store.String},
			{Name: "userId", Type: store.String, References: &store.Reference{Table: "user"}},
		}},
	)
	if err != nil {
		panic(err)
	}
	s := memory.New()
	if err := s.Migrate(ctx, schema); err != nil {
		panic(err)
	}
	users, accounts := schema.Table("user"), schema.Table("account")
	ada, err := s.Create(ctx, users, store.Record{"name": "Ada"})
	if err != nil {
		panic(err)
	}
	for _, provider := range []string{"github", "google"} {
		if _, err := s.Create(ctx, accounts, store.Record{"provider": provider, "userId": ada.String("id")}); err != nil {
			panic(err)
		}
	}

	found, err := s.FindOne(ctx, users, store.Query{
		Where:    store.Eq("name", "ADA").Fold(),
		Children: []store.Children{{Table: "account", Sort: []store.Sort{{Field: "provider", Desc: true}}}},
	})
	if err != nil {
		panic(err)
	}
	for _, account := range found.Records("account") {
		fmt.Println(found.String("id"), found.String("name"), account.String("provider"))
	}
	// Output:
	// 1 Ada google
	// 1 Ada github
}
