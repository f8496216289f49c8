package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/ostiary/ostiary/core"
	"github.com/ostiary/ostiary/store"
)

// hookFault is the database hook that tests make fail. It is safe for concurrent
// use; the zero value lets everything pass.
type hookFault struct {
	mu sync.Mutex
	// name says when, as in "before-user-create"; empty for never.
	name   string
	panics bool
	err    error
	fired  bool
}

var hookName = regexp.MustCompile(`^(before|after)-(user|session|account|verification)-(create|update|delete)$`)

// set makes the hook of that name fail from now on, with err or by a panic.
func (f *hookFault) set(name string, err error, panics bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name, f.err, f.panics, f.fired = name, err, panics, false
}

// clear lets everything pass again and tells whether a hook has failed since
// the last set.
func (f *hookFault) clear() (fired bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fired = f.fired
	f.name, f.fired = "", false
	return fired
}

// armed tells whether a hook is to fail.
func (f *hookFault) armed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name != ""
}

// run is the hook of that name.
func (f *hookFault) run(name string) error {
	f.mu.Lock()
	if f.name != name {
		f.mu.Unlock()
		return nil
	}
	f.fired = true
	err, panics := f.err, f.panics
	f.mu.Unlock()
	if panics {
		panic("a hook, as it was asked to")
	}
	return err
}

// hooks are the database hooks that can fail.
func (f *hookFault) hooks() []core.DatabaseHook {
	var all []core.DatabaseHook
	for _, table := range []string{core.TableUser, core.TableSession, core.TableAccount, core.TableVerification} {
		row := func(when, change string) func(context.Context, store.Record) error {
			return func(context.Context, store.Record) error { return f.run(when + "-" + table + "-" + change) }
		}
		rows := func(when, change string) func(_ context.Context, _, _ store.Record) error {
			return func(context.Context, store.Record, store.Record) error {
				return f.run(when + "-" + table + "-" + change)
			}
		}
		all = append(all, core.DatabaseHook{
			Table:        table,
			BeforeCreate: row("before", "create"), AfterCreate: row("after", "create"),
			BeforeUpdate: rows("before", "update"), AfterUpdate: rows("after", "update"),
			BeforeDelete: row("before", "delete"), AfterDelete: row("after", "delete"),
		})
	}
	return all
}

// fault is what POST /__test/fault takes: a statement or a hook that is to
// fail, or nothing, to have neither.
type fault struct {
	Statement int    `json:"statement"` // counted from 1
	Hook      string `json:"hook"`
	// Error is one of those of package faults for a statement, any text for a
	// hook.
	Error string `json:"error"`
	Panic bool   `json:"panic"` // of a hook
}

func (f fault) check() error {
	switch {
	case f.Statement != 0 && f.Hook != "":
		return errors.New("want a statement or a hook, not both")
	case f.Statement < 0:
		return fmt.Errorf("statement %d: they are counted from 1", f.Statement)
	case f.Statement > 0 && f.Panic:
		return errors.New("statements do not panic")
	case f.Hook != "" && !hookName.MatchString(f.Hook):
		return fmt.Errorf("%q is no hook: want a name such as before-user-create", f.Hook)
	case f.Hook != "" && f.Panic == (f.Error != ""):
		return errors.New("want either panic or error")
	case f.Statement == 0 && f.Hook == "" && f != fault{}:
		return errors.New("want a statement or a hook")
	}
	return nil
}
