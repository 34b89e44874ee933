#!/bin/sh
# After the removal. The user stays: a file may be its.
set -eu
case "${1-}" in
remove | purge | 0)
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
  fi
  ;;
esac
