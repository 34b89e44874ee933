#!/bin/sh
# Before the removal, of which dpkg says "remove", and rpm that no version is left; not before an upgrade.
set -eu
case "${1-}" in
remove | 0) ;;
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now --quiet tcpcheck-collector.service
elif command -v systemctl >/dev/null; then
  systemctl disable --quiet tcpcheck-collector.service
fi
