//go:build !linux

package probe

func newConnectors() newConnector { return newDialer }
