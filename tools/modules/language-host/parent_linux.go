package main

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets the kernel end a child whose host was killed and could not end it itself.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
