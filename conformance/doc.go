// Package conformance holds what proves the library as a whole: tests of the
// engine on real databases and a real Redis, healthy and failing, in this
// folder; a test server behind every adapter, in folder server; the better-auth
// npm client driving that server, in folder client; and, in internal/faults,
// what makes a database fail at a chosen statement for both.
package conformance
