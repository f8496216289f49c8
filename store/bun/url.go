package bunstore

import (
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// What is said of a URL quotes none of it: where a password is not encoded as
// it should be, a part of it stands where the host, the port, the database or a
// parameter is looked for.
const (
	encodeIt     = "; in user and password every special character has to be percent-encoded (%2F for a slash, %3F for a question mark, %23 for #, %40 for @)"
	badHost      = "the host or its port is malformed" + encodeIt
	badParameter = "a parameter after the question mark is malformed"
)

// postgresProblem says what is wrong with the URL of a PostgreSQL database, or "".
func postgresProblem(rawURL string) string {
	p, problem := splitURL(rawURL)
	if problem == "" && p.database == "" && !namesDatabase(p.parameters) {
		problem = "the name of the database is missing after the host, as in postgres://user@host/database"
	}
	return problem
}

// serverURL parses the URL of a server that has one host, or says what is wrong
// with it.
func serverURL(rawURL string) (*url.URL, string) {
	p, problem := splitURL(rawURL)
	if problem != "" {
		return nil, problem
	}
	u, err := url.Parse(rawURL)
	if err != nil || strings.Contains(p.hosts, ",") {
		return nil, badHost
	}
	return u, ""
}

type urlParts struct {
	hosts, database string
	parameters      url.Values
}

// splitURL takes a URL apart, or says what is wrong with it.
func splitURL(rawURL string) (p urlParts, problem string) {
	_, rest, _ := strings.Cut(rawURL, "://")
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user := ""
	p.hosts = authority
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, p.hosts = authority[:i], authority[i+1:]
	}
	path, query, _ := strings.Cut(tail, "?")

	if _, err := url.PathUnescape(user); err != nil {
		return p, "the user or the password holds a % that begins no percent-encoding (a % itself is %25)"
	}
	if strings.Contains(tail, "@") || !validHosts(p.hosts) {
		return p, badHost
	}
	if strings.Contains(tail, "#") {
		return p, "it holds a #" + encodeIt
	}
	var err error
	if p.database, err = url.PathUnescape(strings.TrimPrefix(path, "/")); err != nil {
		return p, "the database holds a % that begins no percent-encoding"
	}
	if p.parameters, err = url.ParseQuery(query); err != nil {
		return p, badParameter
	}
	return p, ""
}

func validHosts(hosts string) bool {
	for host := range strings.SplitSeq(hosts, ",") {
		if end := strings.LastIndex(host, "]"); end >= 0 { // IPv6
			host = host[end+1:]
		}
		_, port, ok := strings.Cut(host, ":")
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
	}
	return true
}

// namesDatabase tells whether the database is named where libpq looks for it
// besides the path. Without a name it would take the user's, which is hardly
// ever meant.
func namesDatabase(parameters url.Values) bool {
	for _, name := range []string{"dbname", "database", "service"} {
		if parameters.Get(name) != "" {
			return true
		}
	}
	return os.Getenv("PGDATABASE") != "" || os.Getenv("PGSERVICE") != ""
}

// parameterProblem says what is wrong with a URL that pgx refuses though its
// parts are in order: it tries one parameter after the other.
func parameterProblem(rawURL string) string {
	_, query, _ := strings.Cut(rawURL, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return badParameter
	}
	for _, name := range []string{
		"sslmode", "sslrootcert", "sslcert", "sslkey", "sslnegotiation", "channel_binding", "connect_timeout", "target_session_attrs",
		"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity",
		"passfile", "service", "servicefile", "min_protocol_version", "max_protocol_version",
	} {
		if !parameters.Has(name) {
			continue
		}
		alone := url.Values{name: {parameters.Get(name)}}
		if _, err := pgx.ParseConfig("postgres://localhost/x?" + alone.Encode()); err != nil {
			return "the parameter " + name + " has a value that is not allowed, or names a file that cannot be read"
		}
	}
	return badHost
}
