//go:build !linux

package probe

import "example.com/tcpcheckreceiver/internal/check"

func newDialers() newDialer { return newNetDialer }

// ReadConntrack returns the zero value: only Linux has such a table.
func ReadConntrack() check.Conntrack { return check.Conntrack{} }
