#!/bin/sh
# After an installation or an upgrade: dpkg says "configure", and rpm how many versions there are.
set -eu
case "${1-}" in
configure | [1-9]*) ;;
*) exit 0 ;;
esac

if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers tcpcheck-collector.conf
elif ! getent passwd tcpcheck-collector >/dev/null; then
  useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin --comment 'TCP check collector' tcpcheck-collector
fi

# Where systemd is not what runs, nothing does. An installation starts nothing.
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
systemctl is-active --quiet tcpcheck-collector.service || exit 0

# The collector runs on as it is unless the new one takes the configuration, as it would in the unit.
if systemd-run --quiet --wait --pipe --collect --property=User=tcpcheck-collector \
  --property=WorkingDirectory=/etc/tcpcheck-collector --property=EnvironmentFile=-/etc/tcpcheck-collector/environment \
  /usr/bin/tcpcheck-collector validate --config /etc/tcpcheck-collector/config.yaml >&2; then
  systemctl restart tcpcheck-collector.service
else
  echo 'tcpcheck-collector: /etc/tcpcheck-collector/config.yaml is not valid for the new version, as said above.' >&2
  echo 'The old one runs on. When that is mended: systemctl restart tcpcheck-collector' >&2
fi
