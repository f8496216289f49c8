// Package conformance holds what proves the library as a whole: tests of the
// engine on real databases and a real Redis, healthy and failing, in this
// folder; a test server behind every adapter, in folder server; and the
// better-auth npm client driving that server, in folder client.
package conformance
