//go:build !linux

package probe

func newConnector() connector { return dialer{} }
