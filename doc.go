// Package tcpcheckreceiver is an OpenTelemetry Collector receiver that checks
// whether TCP connections can be made. It dials every address family of each
// target and reports each address on its own: whether it connected, how long
// the handshake took, and if it failed, why.
package tcpcheckreceiver
