// Package bench measures what the promises about speed are about: ratios
// between things measured in one run, since absolute times say more of the
// machine than of the code.
//
//	make bench                                   # everything
//	go run ./internal/testenv/run -- go test -run '^$' -bench Growth -benchtime 3s ./bench
//
// The numbers to look at are the metrics that each benchmark reports beside
// ns/op; the comment on the benchmark says what they should be.
package bench
