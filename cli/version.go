package cli

import (
	"runtime"
	"runtime/debug"
)

const module = "github.com/ostiary/ostiary"

// version names the version of this module that is part of the program, and that
// of Go.
func version() string {
	found := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module && m.Version != "" {
				found = m.Version
			}
		}
	}
	return "ostiary " + found + " (" + runtime.Version() + ")"
}
