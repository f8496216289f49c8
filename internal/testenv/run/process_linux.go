package main

import "syscall"

// endWithParent makes the kernel send the signal to the process when this one
// dies, however it does.
func endWithParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }
