package mongostore_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/ostiary/ostiary/store"
	mongostore "github.com/ostiary/ostiary/store/mongo"
)

// A store of one's own connection: the URL names a replica set.
func ExampleOpen() {
	s, err := mongostore.Open(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = s.Close() }()

	schema, err := store.NewSchema(store.SnakePlural(), store.RandomIDs(), store.Table{
		Name:   "note",
		Fields: []*store.Field{{Name: "text", Type: store.String}},
	})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := s.Plan(context.Background(), schema)
	if err != nil {
		log.Fatal(err)
	}
	for _, statement := range plan.Statements {
		fmt.Println(statement)
	}
	if err := s.Migrate(context.Background(), schema); err != nil {
		log.Fatal(err)
	}
}
