package probe

// systemNames returns the files that say how this system resolves names.
func systemNames() *nameFiles { return newNameFiles("/etc") }
