//go:build linux

package main

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// resolvConf makes a machine resolve names by the nameserver.
const resolvConf = "nameserver 127.0.0.1\noptions timeout:1\n"

const (
	// forwarders bounds how many queries are with the server at the same time,
	// so that none is lost in its socket.
	forwarders = 16
	// queryBuffer holds the queries of a collection, which come all at once.
	queryBuffer = 4 << 20
	// answerPatience bounds the wait for the server's answer.
	answerPatience = time.Second
)

// nameserver is port 53 of 127.0.0.1, where resolv.conf can only mean. It hands
// queries over UDP on to a server of another port; the answers of a soak are
// too short for anyone to ask over TCP.
type nameserver struct {
	conn    *net.UDPConn
	serving sync.WaitGroup
}

func startNameserver(server netip.AddrPort) (*nameserver, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53})
	if err != nil {
		return nil, err
	}
	if err := growBuffer(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	n := &nameserver{conn: conn}
	for range forwarders {
		n.serving.Go(func() { n.forward(server) })
	}
	return n, nil
}

// growBuffer makes room for queries, more than the machine's limit if need be.
func growBuffer(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queryBuffer)
	})
	return errors.Join(err, failed)
}

// forward hands on one query after the other until the nameserver is closed. One
// that goes wrong stays unanswered, for the client to ask again.
func (n *nameserver) forward(server netip.AddrPort) {
	buffer := make([]byte, 64<<10)
	for {
		size, client, err := n.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return // the socket is closed
		}
		if size, err = ask(server, buffer, size); err == nil {
			_, _ = n.conn.WriteToUDPAddrPort(buffer[:size], client) // fails only where nobody waits
		}
	}
}

// ask sends the server the query in buffer, of this size, and puts the answer in
// its place. It returns the answer's size.
func ask(server netip.AddrPort, buffer []byte, size int) (int, error) {
	// A socket for each query: a late answer to an earlier one cannot come.
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(answerPatience)); err != nil {
		return 0, err
	}
	if _, err := conn.Write(buffer[:size]); err != nil {
		return 0, err
	}
	return conn.Read(buffer)
}

func (n *nameserver) close() error {
	err := n.conn.Close()
	n.serving.Wait()
	return err
}
