//go:build !linux

package probe

// ReadConntrack returns the zero value: only Linux has such a table.
func ReadConntrack() Conntrack { return Conntrack{} }
