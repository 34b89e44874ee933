package servers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

// OpenSSH is sshd. It has no TLS; More are lines of sshd_config.
var OpenSSH = Server{
	Name: "OpenSSH", program: "sshd", Ready: "Server listening on",
	command: func(p place) *exec.Cmd {
		key := filepath.Join(p.folder, "key")
		p.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
		require.NoError(p.t, os.MkdirAll("/run/sshd", 0o755)) // it asks for that
		config := p.write("config", "UsePAM no\nPidFile none\nHostKey "+key+"\nListenAddress "+Host+"\nPort "+p.port+p.lines("", ""))
		return exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", config)
	},
}

// PostgreSQL logs each connection. More are arguments.
var PostgreSQL = Server{
	Name: "PostgreSQL", program: "postgres", Ready: "database system is ready",
	command: func(p place) *exec.Cmd {
		bin, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
		require.NotEmpty(p.t, bin)
		data := p.owned("postgres")
		p.run(as("postgres", bin[0]+"/initdb", "-D", data, "-A", "trust", "-N")...)
		words := []string{bin[0] + "/postgres", "-D", data, "-p", p.port, "-c", "listen_addresses=" + Host, "-c", "unix_socket_directories=", "-c", "log_connections=on"}
		if p.Certificate != nil {
			chain, key := p.files("postgres")
			words = append(words, "-c", "ssl=on", "-c", "ssl_cert_file="+chain, "-c", "ssl_key_file="+key)
		}
		return command(as("postgres", append(words, p.More...)...))
	},
}

// MariaDB has an account for which anybody may come from anywhere: of a host from which nobody
// may, it counts no errors. More are arguments.
var MariaDB = Server{
	Name: "MariaDB", program: "mariadbd", Ready: "ready for connections",
	command: func(p place) *exec.Cmd {
		data := p.owned("mysql")
		p.run("mariadb-install-db", "--datadir="+data, "--user=mysql", "--skip-test-db")
		words := []string{
			"--no-defaults", "--user=mysql", "--datadir=" + data, "--socket=" + data + "/socket", "--pid-file=" + data + "/pid", "--bind-address=" + Host, "--port=" + p.port,
			"--log-warnings=4", "--max-connect-errors=10", "--init-file=" + p.write("init.sql", "CREATE USER checker@'%';\n"),
		}
		if p.Certificate != nil {
			chain, key := p.files("mysql")
			words = append(words, "--ssl-cert="+chain, "--ssl-key="+key)
		}
		return exec.Command("mariadbd", append(words, p.More...)...)
	},
}

// Redis is without TLS. More are arguments.
var Redis = Server{
	Name: "Redis", program: "redis-server", Ready: "Ready to accept connections",
	command: func(p place) *exec.Cmd {
		words := []string{"--bind", Host, "--protected-mode", "no", "--port", p.port, "--loglevel", "verbose", "--save", "", "--dir", p.folder}
		return exec.Command("redis-server", append(words, p.More...)...)
	},
}

// Memcached logs each connection and each command. It has no TLS. More are arguments.
var Memcached = Server{
	Name: "memcached", program: "memcached", Ready: "server listening",
	command: func(p place) *exec.Cmd {
		return exec.Command("memcached", append([]string{"-u", "nobody", "-l", Host, "-p", p.port, "-vv"}, p.More...)...)
	},
}

// NginxStream is nginx with a server of TCP that says hello. It has no TLS.
var NginxStream = Server{Name: "nginx, `stream`", program: "nginx", Ready: "start worker process ", command: func(p place) *exec.Cmd {
	return p.nginx(`
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
stream {
	log_format line 'access: $remote_addr';
	access_log /dev/stdout line;
	server { listen ` + net.JoinHostPort(Host, p.port) + `; return hello; }
}`)
}}

// Nginx is nginx with a server of HTTP. More are directives of that.
var Nginx = Server{Name: "nginx", program: "nginx", Ready: "start worker process ", command: func(p place) *exec.Cmd {
	return p.nginx(`
http {
	log_format line 'access: $remote_addr "$request" $status';
	access_log /dev/stdout line;
	client_body_temp_path ` + p.folder + `/body; proxy_temp_path ` + p.folder + `/proxy; fastcgi_temp_path ` + p.folder + `/fastcgi;
	uwsgi_temp_path ` + p.folder + `/uwsgi; scgi_temp_path ` + p.folder + `/scgi;
	server {
		listen ` + net.JoinHostPort(Host, p.port) + p.lines("ssl; ssl_certificate %s; ssl_certificate_key %s;", ";") + `
	}
}`)
}}

func (p place) nginx(servers string) *exec.Cmd {
	return exec.Command("nginx", "-e", "stderr", "-c", p.write("nginx.conf", `
daemon off;
pid `+p.folder+`/pid;
error_log stderr info;
`+strings.TrimPrefix(servers, "\n")+"\nevents {}\n"))
}

// Postfix receives mail by SMTP. More are lines of main.cf.
var Postfix = Server{
	Name: "Postfix", program: "postfix", Ready: "daemon started",
	command: func(p place) *exec.Cmd {
		require.NoError(p.t, os.Mkdir(p.folder+"/queue", 0o755))
		p.write("dynamicmaps.cf", "")
		p.write("main.cf", `
compatibility_level = 3.6
queue_directory = `+p.folder+`/queue
data_directory = `+p.owned("postfix")+`
maillog_file = /dev/stdout
inet_interfaces = `+Host+`
inet_protocols = ipv4
myhostname = mail.test
local_recipient_maps =
smtpd_relay_restrictions = reject
`+p.lines("smtpd_tls_security_level = may\nsmtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s", ""))
		p.write("master.cf", Host+":"+p.port+` inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
pickup unix n - n 60 1 pickup
`)
		return exec.Command("postfix", "-c", p.folder, "start-fg")
	},
	stop: func(folder string) *exec.Cmd { return exec.Command("postfix", "-c", folder, "stop") },
}

// DovecotIMAP and DovecotPOP3 are Dovecot with one of its protocols. More are lines of dovecot.conf.
var (
	DovecotIMAP = dovecot("imap", "imaps")
	DovecotPOP3 = dovecot("pop3", "pop3s")
)

func dovecot(protocol, secured string) Server {
	return Server{
		Name: "Dovecot", program: "dovecot", Ready: "starting up for " + protocol,
		command: func(p place) *exec.Cmd {
			return exec.Command("dovecot", "-F", "-c", p.write("dovecot.conf", `
base_dir = `+p.folder+`/base
log_path = /dev/stderr
protocols = `+protocol+`
`+p.lines("ssl = yes\nssl_cert = <%s\nssl_key = <%s", "ssl = no")+`
listen = `+Host+`
service `+protocol+`-login {
  inet_listener `+protocol+` {
    port = `+p.port+`
  }
  inet_listener `+secured+` {
    port = 0
  }
}
passdb {
  driver = static
  args = password=none
}
`))
		},
	}
}

// Vsftpd logs each command. More are lines of vsftpd.conf.
var Vsftpd = Server{
	Name: "vsftpd", program: "vsftpd", Ready: "vsftpd listens",
	command: func(p place) *exec.Cmd {
		empty, log := filepath.Join(p.folder, "empty"), p.write("log", "")
		require.NoError(p.t, os.Mkdir(empty, 0o755))
		config := p.write("vsftpd.conf", `
listen=YES
listen_address=`+Host+`
listen_port=`+p.port+`
background=NO
local_enable=YES
anonymous_enable=NO
secure_chroot_dir=`+empty+`
xferlog_enable=YES
log_ftp_protocol=YES
vsftpd_log_file=`+log+`
`+p.lines("ssl_enable=YES\nrsa_cert_file=%s\nrsa_private_key_file=%s", ""))
		const script = `
			tail -n +1 -F "$2" & logs=$!
			vsftpd "$1" & server=$!
			trap 'kill $server $logs; exit 0' TERM
			until ss -Htln "sport = :$3" | grep -q .; do kill -0 $server || exit; done
			echo vsftpd listens
			wait`
		return exec.Command("sh", "-c", script, "sh", config, log, p.port)
	},
}
