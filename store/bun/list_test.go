package bunstore_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ostiary/ostiary/store"
)

// Lists travel as text on some databases, in which a number must stay the same
// to its last bit.
func TestListFindsEveryFloat(t *testing.T) {
	t.Parallel()
	floats := []float64{0, 1, -1, 0.1, 1e15, 9.214607483355523e+17, -9.214607483355523e+17, 1 << 53, 1<<53 + 2, 1 << 62, 1 << 63, 1e20, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64}
	random := rand.New(rand.NewPCG(1, 2)) // the same on every run
	for range 300 {
		// As many on either side of where JSON begins to write exponents.
		floats = append(floats, random.NormFloat64()*math.Pow(10, float64(random.IntN(40)-10)))
	}
	everywhere(t, func(t *testing.T, url string) {
		s := open(t, url)
		schema := compile(t, store.Naming{}, store.Table{Name: "thing", Fields: []*store.Field{{Name: "share", Type: store.Float}}})
		migrate(t, s, schema)
		things := schema.Table("thing")
		err := s.Tx(t.Context(), func(ctx context.Context) error {
			for i, f := range floats {
				if _, err := s.Create(ctx, things, store.Record{"id": id(i), "share": f}); err != nil {
					return err
				}
				for name, c := range map[string]struct {
					where store.Where
					want  int64
				}{
					"In":    {store.In("share", f, 12345.5), 1},
					"NotIn": {store.NotIn("share", f, 12345.5), 0},
				} {
					n, err := s.Count(ctx, things, store.And(store.Eq("id", id(i)), c.where))
					if err != nil {
						return err
					}
					if n != c.want {
						t.Errorf("%s of %v finds %d rows that hold it, want %d", name, f, n, c.want)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
