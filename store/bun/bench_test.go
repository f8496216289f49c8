package bunstore_test

import (
	"testing"

	"github.com/ostiary/ostiary/internal/testenv"
)

func BenchmarkSessionWithUser(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{
		"PostgreSQL": testenv.Postgres,
		"SQLite":     sqliteFile,
		"MariaDB":    testenv.MySQL,
	} {
		b.Run(name, func(b *testing.B) {
			s, schema := open(b, url(b)), authSchema(b)
			migrate(b, s, schema)
			for i := range 100 {
				signIn(b, s, schema, id(i))
			}
			sessions := schema.Table("session")
			queries := make([]string, 100)
			for i := range queries {
				queries[i] = id(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if _, err := s.FindOne(b.Context(), sessions, sessionByToken(queries[i%100])); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
