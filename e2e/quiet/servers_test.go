package quiet

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// server is a program that real users check, as Debian has it.
type server struct {
	name    string
	program string
	verbose string // what makes it log more than by default
	// command returns what runs the server at an address, with its files in a folder.
	command func(t *testing.T, folder, host, port string) *exec.Cmd
	ready   string
	// line is what is told of a line of its log, and last what the last line of a check has.
	line *regexp.Regexp
	last string
	// stop ends the server where SIGTERM does not.
	stop func(folder string) *exec.Cmd
}

var servers = []server{openSSH, postgreSQL, mariaDB, redis, nginx, postfix, dovecot}

var openSSH = server{
	name: "OpenSSH", program: "sshd", ready: "Server listening on", verbose: "as by default",
	command: func(t *testing.T, folder, host, port string) *exec.Cmd {
		key := filepath.Join(folder, "key")
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // it asks for that
		config := write(t, folder, "config", "UsePAM no\nPidFile none\nHostKey "+key+"\nListenAddress "+host+"\nPort "+port+"\n")
		return exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", config)
	},
	// Whether its banner finds the connection closed or reset is chance.
	line: regexp.MustCompile(`^(kex_exchange_identification|Connection (?:closed|reset) by .*)`), last: " by " + host,
}

var postgreSQL = server{
	name: "PostgreSQL", program: "postgres", ready: "database system is ready", verbose: "`log_connections=on`",
	command: func(t *testing.T, folder, host, port string) *exec.Cmd {
		bin, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
		require.NotEmpty(t, bin)
		data := owned(t, folder, "postgres")
		run(t, as("postgres", bin[0]+"/initdb", "-D", data, "-A", "trust", "-N")...)
		return command(as("postgres", bin[0]+"/postgres", "-D", data, "-p", port, "-c", "listen_addresses="+host, "-c", "unix_socket_directories=", "-c", "log_connections=on"))
	},
	line: regexp.MustCompile(`LOG:  (connection .*)`), last: "connection received",
}

var mariaDB = server{
	name: "MariaDB", program: "mariadbd", ready: "ready for connections", verbose: "`log_warnings=4`",
	command: func(t *testing.T, folder, host, port string) *exec.Cmd {
		data := owned(t, folder, "mysql")
		run(t, "mariadb-install-db", "--datadir="+data, "--user=mysql", "--skip-test-db")
		// Of a host from which nobody may connect, it counts no errors.
		init := write(t, folder, "init.sql", "CREATE USER checker@'%';\n")
		return exec.Command("mariadbd", "--no-defaults", "--user=mysql", "--datadir="+data, "--socket="+data+"/socket", "--pid-file="+data+"/pid",
			"--bind-address="+host, "--port="+port, "--log-warnings=4", "--max-connect-errors=10", "--init-file="+init)
	},
	line: regexp.MustCompile(`(\[(?:Warning|Error)\] Aborted.*)`), last: "Aborted connection",
}

var redis = server{
	name: "Redis", program: "redis-server", ready: "Ready to accept connections", verbose: "`loglevel verbose`",
	command: func(_ *testing.T, folder, host, port string) *exec.Cmd {
		return exec.Command("redis-server", "--bind", host, "--protected-mode", "no", "--port", port, "--loglevel", "verbose", "--save", "", "--dir", folder)
	},
	line: regexp.MustCompile(`\d - ((?:Accepted|Client closed connection).*)`), last: "Client closed connection",
}

var nginx = server{
	name: "nginx, `stream`", program: "nginx", ready: "start worker process ", verbose: "`error_log … info` and an access log",
	command: func(t *testing.T, folder, host, port string) *exec.Cmd {
		return exec.Command("nginx", "-e", "stderr", "-c", write(t, folder, "nginx.conf", `
daemon off;
pid `+folder+`/pid;
error_log stderr info;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {}
stream {
	log_format line 'access: $remote_addr';
	access_log /dev/stdout line;
	server { listen `+net.JoinHostPort(host, port)+`; return hello; }
}`))
	},
	line: regexp.MustCompile(`(client .* connected to.*|access: .*)`), last: "access:",
}

var postfix = server{
	name: "Postfix", program: "postfix", ready: "daemon started", verbose: "as by default",
	command: func(t *testing.T, folder, host, port string) *exec.Cmd {
		require.NoError(t, os.Mkdir(folder+"/queue", 0o755))
		write(t, folder, "dynamicmaps.cf", "")
		write(t, folder, "main.cf", `
compatibility_level = 3.6
queue_directory = `+folder+`/queue
data_directory = `+owned(t, folder, "postfix")+`
maillog_file = /dev/stdout
inet_interfaces = `+host+`
inet_protocols = ipv4
myhostname = mail.test
local_recipient_maps =
smtpd_relay_restrictions = reject
`)
		write(t, folder, "master.cf", host+":"+port+` inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
pickup unix n - n 60 1 pickup
`)
		return exec.Command("postfix", "-c", folder, "start-fg")
	},
	stop: func(folder string) *exec.Cmd { return exec.Command("postfix", "-c", folder, "stop") },
	line: regexp.MustCompile(`smtpd\[\d+\]: (.*)`), last: "disconnect from",
}

var dovecot = server{
	name: "Dovecot", program: "dovecot", ready: "starting up for imap", verbose: "as by default",
	command: func(t *testing.T, folder, host, port string) *exec.Cmd {
		return exec.Command("dovecot", "-F", "-c", write(t, folder, "dovecot.conf", `
base_dir = `+folder+`/base
log_path = /dev/stderr
protocols = imap
ssl = no
listen = `+host+`
service imap-login {
  inet_listener imap {
    port = `+port+`
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = static
  args = password=none
}
`))
	},
	line: regexp.MustCompile(`imap-login: Info: (Disconnected: Connection closed)`), last: "Disconnected",
}

func command(words []string) *exec.Cmd { return exec.Command(words[0], words[1:]...) }

func run(t *testing.T, words ...string) {
	t.Helper()
	output, err := command(words).CombinedOutput()
	require.NoError(t, err, "%q: %s", words, output)
}

// as returns what runs a command as another user.
func as(name string, words ...string) []string {
	return append([]string{"setpriv", "--reuid=" + name, "--regid=" + name, "--clear-groups"}, words...)
}

// owned returns a folder in another one that belongs to a user.
func owned(t *testing.T, folder, name string) string {
	t.Helper()
	owner, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.Atoi(owner.Uid)
	require.NoError(t, err)
	data := filepath.Join(folder, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.Chown(data, uid, -1))
	return data
}

func write(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	harness.Write(t, path, strings.TrimLeft(text, "\n"))
	require.NoError(t, os.Chmod(path, 0o644)) // for the server's own user
	return path
}
