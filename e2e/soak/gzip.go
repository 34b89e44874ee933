//go:build linux

package main

import (
	"compress/gzip"
	"io"
	"net/http"
)

// decompressed returns the body of a request, which may be compressed by gzip.
func decompressed(request *http.Request) ([]byte, error) {
	if request.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(request.Body)
	}
	body, err := gzip.NewReader(request.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}
