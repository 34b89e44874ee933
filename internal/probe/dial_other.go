//go:build !linux

package probe

func newDialers() newDialer { return newNetDialer }
