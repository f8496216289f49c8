package storetest

var pingCases = []testCase{
	{"answers", empty(func(f *fixture) {
		if err := f.store.Ping(f.Context()); err != nil {
			f.Errorf("Ping: %v", err)
		}
	})},
}
