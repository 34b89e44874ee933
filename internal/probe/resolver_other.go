//go:build !linux

package probe

// systemNames returns nil: names are resolved by the system's own resolver, which walks
// its search list for each family on its own.
func systemNames() *nameFiles { return nil }
