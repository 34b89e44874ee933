#!/bin/sh
# Runs make test and make run where IPv6 is disabled, as in many containers. It is to
# be executed in a network namespace of its own; the arguments are the make command.
set -eu
cd "$(dirname "$0")/.."
ip link set lo up
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6

# Results from elsewhere, which go test has kept, say nothing.
GOFLAGS="${GOFLAGS:-} -count=1" "$@" test

output=build/run-without-ipv6.log
timeout --signal=INT 15 "$@" run >"$output" 2>&1 || [ $? -eq 124 ] || { cat "$output" >&2; exit 1; }
for expected in \
  'network.tcp.can_connect{tcpcheck.instance=v4 only,network.type=ipv4} 1' \
  'network.tcp.can_connect{tcpcheck.instance=both,network.type=ipv4} 1' \
  'network.tcp.can_connect{tcpcheck.instance=closed,network.type=ipv4} 0' \
  'unable to check some instances, which says nothing about them: this machine has no ipv6 address'; do
  grep --quiet --fixed-strings "$expected" "$output" || { echo "make run does not print: $expected" >&2; cat "$output" >&2; exit 1; }
done
if grep --quiet --extended-regexp '^goroutine |\.go:[0-9]+$' "$output"; then
  echo "make run prints a stack trace" >&2
  cat "$output" >&2
  exit 1
fi
