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

## Certificates in files

The option ~certificate_files~ of the receiver has the paths of files with certificates, for those that no server shows that is
checked: of a client, of a server that is not reached from here, or before it is reloaded.

~~~yaml
receivers:
  tcpcheck:
    certificate_files:
      - /etc/ssl/shop/*.crt
      - /var/run/secrets/mesh/tls.crt

exporters:
  debug:

service:
  pipelines:
    metrics:
      receivers: [tcpcheck]
      exporters: [debug]
~~~

There are ~tcpcheck.tls.certificate.time_left~, of the first certificate in the file, and ~tcpcheck.tls.certificate_chain.time_left~,
of the first one in the file to end. Their only attribute is ~file.path~, the absolute path; they have no tags and no service. Nothing
is verified: not who issued the certificate, nor for which name, nor the order of a chain.

- A pattern is as [filepath.Match](https://pkg.go.dev/path/filepath#Match) has it: ~*~, ~?~ and ~[a-z]~ within a name. There is no
  ~**~; write a ~*~ for each level of directories. A relative path starts at the collector's working directory. Of a pattern,
  directories are left out. A pattern that no file matches is a line of the log, once, as long as that is so.
- A file has certificates as PEM, among which comments, private keys and other blocks do not matter, or a single one as DER. The
  log has nothing of what is in the file but the names, dates and hash of a certificate.
- It is a regular file, or a symbolic link to one, of 1 MiB at most. The first 1000 files that are found are read.
- The files are looked at once in a ~collection_interval~, but not more than once in a second, and the points come at the same time. A
  file is read again if its size, its time or the file itself is another one, and every 5 minutes in any case: a symbolic link
  that leads elsewhere, as Kubernetes changes its secrets, or a file that is renamed to the path, is another file.
- A file that is missing or cannot be read is looked at again within 5 seconds, and is taken to be so if it still is: it may be
  being written. Until then it has the certificate that it had.
- A file that cannot be read, such as for want of a permission, or has no whole certificate, keeps its last good one, but not beyond
  its end: it may have been replaced since. That is an error in the log, the event ~tcpcheck.source.stale~, the status of the
  receiver, and ~otelcol_receiver_tcpcheck_source_stale~ with the path as its ~source~.
- The series of a file that is gone end.
- With ~k8s_leader_elector~, the elected collector alone reads its files.

| log, at the level | event |
| --- | --- |
| warn: the certificate in "PATH" ends within 30 days, at DATE UTC (7 days, a day) | ~tcpcheck.certificate.expiring~ |
| warn: the certificate in "PATH" has ended, at DATE UTC | ~tcpcheck.tls.failed~ with the ~error.type~ ~tls_certificate_expired~ |
| info: the certificate in "PATH" is valid again, until DATE UTC | ~tcpcheck.tls.verified~ |
| info: there is another certificate in "PATH", until DATE UTC | ~tcpcheck.certificate.changed~ |
| warn: the file "PATH" is gone, so its certificate is no longer reported | - |
| error: the certificate in "PATH" cannot be taken as it is, so the last good one stays, if there was one | ~tcpcheck.source.stale~ |
| info: the certificate in "PATH" is up to date again | ~tcpcheck.source.fresh~ |
| warn: certificate_files[0]: there is no file "PATTERN" | - |

Where another one than the first certificate ends first, the lines say "the chain of the certificate in".

## Attributes of a certificate

These attributes are off by default. Where one is listed among those of a metric, each point has it:

| attribute | value | metrics |
| --- | --- | --- |
| ~tls.server.subject~ | the distinguished name of the certificate, such as ~CN=shop.example.com~ | both ~time_left~ |
| ~tls.server.issuer~ | that of who issued it | both ~time_left~ |
| ~tls.server.hash.sha256~ | the SHA-256 of the certificate, in upper-case hexadecimal as in the events | both ~time_left~ |
| ~tcpcheck.tls.serial_number~ | its serial number, as ~openssl x509 -serial~ has it | both ~time_left~ |
| ~tls.protocol.version~ | the version that the server negotiated: ~1.3~ | ~certificate.time_left~, ~handshake.duration~ |
| ~tls.cipher~ | the cipher suite, by IANA's name: ~TLS_AES_128_GCM_SHA256~ | ~certificate.time_left~, ~handshake.duration~ |
| ~tcpcheck.tls.ocsp_stapled~ | true if the server stapled an OCSP response, false if not; the response itself is not verified | ~certificate.time_left~ |

~~~yaml
receivers:
  tcpcheck:
    instances:
      - name: shop
        host: shop.example.com
        port: 443
        tls: {}
    metrics:
      tcpcheck.tls.certificate.time_left:
        attributes:
          - tcpcheck.instance
          - server.address
          - server.port
          - network.type
          - network.peer.address
          - tls.server.issuer
          - tls.server.hash.sha256
          - tcpcheck.tls.ocsp_stapled
~~~

A list takes the place of the default one: name those of the default that are to stay. A certificate that is renewed ends its
series and begins another one, if an attribute shows the difference. So does a server that negotiates another version, or staples
no longer. An empty name, such as the subject of a certificate that has its names in an extension alone, is no attribute.

~tcpcheck.tls.verified~ has none of them: a handshake that fails shows no certificate, and the attributes of a series are the
same whether it succeeds or fails. ~tcpcheck.tls.certificates~ counts certificates, so it is of no single one.

## The table of TLS situations

Every row is a real situation, in which a test compares what the receiver reports and logs with what stands here.
~e2e/tls~ has the test, and writes this page. The servers are nginx, OpenSSL (~openssl s_server~), Go's crypto/tls, and for what
no server should do, those that the test has for it.

"verified" is ~tcpcheck.tls.verified~ of each address. "time left" is ~tcpcheck.tls.certificate.time_left~, here in days, with that of the
chain behind it where it differs. ~can_connect~ is 1 in all rows but the one that refuses. ADDRESS is the address of the server,
PORT its port, NAME a host name, FOLDER a folder, DATE a date, N a number. A row with several lines goes on in each of them. "-" stands for a
point, an error or a log line that there is not.
`
