//go:build unix && !linux

package main

import "syscall"

// endWithParent does nothing: only Linux offers it. What a kill of this process
// leaves running has to be stopped by hand.
func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}
