//go:build !linux

package socket

import "example.com/tcpcheckreceiver/internal/check"

// Bind does nothing: package net binds to a source address, and only Linux has the rest.
func Bind(uintptr, check.Family, *check.Outgoing) error { return nil }
