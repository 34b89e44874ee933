package tlstable

const introduction = `# TLS

The option ~tls~ of an instance has the certificates of its port checked: beside the check of the connection, and at an
interval of its own.

~~~yaml
receivers:
  tcpcheck:
    instances:
      - name: shop
        host: shop.example.com
        port: 443
        tls: {}
~~~

- Without ~tls~ no certificate is checked.
- An empty section, ~tls: {}~, asks for the certificate of ~host~, and verifies it by the root certificates of this machine.
- ~insecure: true~ without an authority (~ca_file~, ~ca_pem~) means no TLS, as everywhere in the collector. To see a certificate
  that cannot be verified, write ~insecure_skip_verify: true~: ~tcpcheck.tls.verified~ is 1 then if the handshake was completed.

| metric | value |
| --- | --- |
| ~tcpcheck.tls.verified~ | of each address: 1 if the handshake was completed and the certificate is verified, 0 if not; ~tcpcheck.errors~ counts the reason by its ~error.type~ |
| ~tcpcheck.tls.certificate.time_left~ | of each address that completed the handshake: the seconds until its certificate ends, negative once it has ended |
| ~tcpcheck.tls.certificate_chain.time_left~ | the seconds until the first certificate of its chain ends |
| ~tcpcheck.tls.handshake.duration~ | how long the handshake took, in seconds |
| ~tcpcheck.tls.certificates~ | of the instance: how many different certificates its addresses show |

A handshake is made each ~interval~ of ~tls~, 5 minutes by default. The values are those of the last one, and come with each
check of the connection that follows; each error is counted once. ~time_left~ counts down in between. The handshake may take
as long as the connection may: the ~timeout~, and no longer than the interval of the checks. With many instances the first
ones are made at 200 a second: each takes a millisecond of a processor.

All addresses of a host name are asked, whatever ~multiple_ips~ says: a certificate is easily renewed on some of them and
forgotten on others.

The chain is the one that leads from the certificate to a root which the client trusts, the root included; where there are
several, the one that lasts longest. Where there is none, or with ~insecure_skip_verify: true~, it is what the server showed.

The connection has its own value: ~network.tcp.can_connect~ is 1 if the port accepts, however the handshake ends. Where the
port does not accept, there is no value of TLS. Nor is there one where this machine was unable to make the handshake, such
as for want of a file: that is no 0. The log says so, and ~otelcol_receiver_tcpcheck_results_unchecked~ counts it, by the
~reason~ ~certificates~ where it is a file or the root certificates.

## The table of TLS situations

Every row is a real situation, in which a test compares what the receiver reports and logs with what stands here.
~e2e/tls~ has the test, and writes this page. The servers are nginx, OpenSSL (~openssl s_server~), Go's crypto/tls, and for what
no server should do, those that the test has for it.

"verified" is ~tcpcheck.tls.verified~ of each address. "time left" is ~tcpcheck.tls.certificate.time_left~, here in days, with that of the
chain behind it where it differs. ~can_connect~ is 1 in all rows but the one that refuses. ADDRESS is the address of the server,
PORT its port, NAME a host name, FOLDER a folder, DATE a date, N a number. A row with several lines goes on in each of them. "-" stands for a
point, an error or a log line that there is not.
`
