package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/reservation"
)

// bindAll is a Python program that binds every port of its block on every kind of address, over and
// over, from several processes if it is told to.
const bindAll = `
import os, socket, sys
kind, name = (socket.SOCK_DGRAM, "UDP") if "BERTH_UDP" in os.environ else (socket.SOCK_STREAM, "TCP")
first, last = (int(os.environ["BERTH_%s_%s" % (name, end)]) for end in ("FIRST", "LAST"))
addresses = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::"))

def bind(family, address, port):
    with socket.socket(family, kind) as s:
        s.bind((address, port))
        if s.getsockname()[1] != port:
            sys.exit("asked for port %d, got %s" % (port, s.getsockname()))
        if kind == socket.SOCK_STREAM:
            s.listen()
        with socket.socket(family, kind) as other:
            try:
                other.bind((address, port))
            except OSError as e:
                if e.errno != 98: raise
            else:
                sys.exit("bound port %d twice" % port)

def rounds(ports):
    for _ in range(int(sys.argv[1])):
        for port in ports:
            for family, address in addresses:
                bind(family, address, port)

print(os.environ["BERTH_" + name], flush=True)
input()
if sys.argv[2] == "fork":
    children = []
    for port in range(first, last + 1):
        child = os.fork()
        if child == 0:
            rounds([port])
            os._exit(0)
        children.append(child)
    for child in children:
        if os.waitpid(child, 0)[1] != 0:
            sys.exit("a child failed")
else:
    rounds(range(first, last + 1))
print("done", flush=True)
input()
`

func TestPythonBindsWhileAThiefGetsNothing(t *testing.T) {
	requireSupervision(t)
	python := requireProgram(t, "python3")
	for _, u := range users() {
		for _, protocol := range []string{"udp", "tcp"} {
			for _, how := range []string{"alone", "fork"} {
				t.Run(u.name+"/"+protocol+"/"+how, func(t *testing.T) {
					i := install(t, u)
					c := i.start(t, "exec", protocol, "4", "--align", "4", "--", python, "-c", bindAll, "20", how)
					ports := c.line(t)
					thief := startThief(t, i, protocolOf(protocol), ports)
					c.tell(t, "go")
					require.Equal(t, "done", c.line(t))
					thief.requireNothing(t)
					c.tell(t, "end")
					require.Zero(t, c.wait())
					require.Empty(t, c.said(t))
				})
			}
		}
	}
}

func protocolOf(name string) reservation.Protocol {
	if name == "tcp" {
		return reservation.TCP
	}
	return reservation.UDP
}

// serve starts a server behind a shell that waits for a word, so that a thief is there before it
// binds, and requires of what check finds that the server works.
func serve(t *testing.T, i *installation, check func(t *testing.T, port string), command ...string) {
	t.Helper()
	shell := `echo "$BERTH_TCP"; read go; exec "$@"`
	c := i.start(t, append([]string{"exec", "tcp", "1", "--", requireProgram(t, "sh"), "-c", shell, "sh"}, command...)...)
	port := c.line(t)
	thief := startThief(t, i, reservation.TCP, port)
	c.tell(t, "go")
	check(t, port)
	thief.requireNothing(t)
	require.NoError(t, c.berth.Process.Signal(os.Interrupt))
	c.wait()
}

// eventually calls try until it succeeds.
func eventually(t *testing.T, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	for ctx.Err() == nil {
		if err = try(ctx); err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
	require.NoError(t, err)
}

// requirePage fetches a page as a browser would.
func requirePage(host string) func(t *testing.T, port string) {
	return func(t *testing.T, port string) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		eventually(t, func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/", nil)
			require.NoError(t, err)
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("status %d", response.StatusCode)
			}
			return nil
		})
	}
}

func TestPythonServesWhileAThiefGetsNothing(t *testing.T) {
	requireSupervision(t)
	python := requireProgram(t, "python3")
	for _, u := range users() {
		for _, bound := range []struct{ address, host string }{{"127.0.0.1", "127.0.0.1"}, {"::", "::1"}, {"::", "127.0.0.1"}, {"0.0.0.0", "127.0.0.1"}} {
			t.Run(u.name+"/"+bound.address+" from "+bound.host, func(t *testing.T) {
				serve(t, install(t, u), requirePage(bound.host), python, "-m", "http.server", "{tcp}", "--bind", bound.address)
			})
		}
	}
}

func TestNetcatListensWhileAThiefGetsNothing(t *testing.T) {
	requireSupervision(t)
	commands := map[string][]string{"nc": {"-l", "127.0.0.1", "{tcp}"}, "socat": {"TCP-LISTEN:{tcp},bind=127.0.0.1,reuseaddr", "STDOUT"}}
	for name, arguments := range commands {
		t.Run(name, func(t *testing.T) {
			path := requireProgram(t, name)
			serve(t, install(t, users()[0]), func(t *testing.T, port string) {
				eventually(t, func(ctx context.Context) error {
					conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
					if err != nil {
						return err
					}
					defer conn.Close()
					_, err = io.WriteString(conn, "hello\n")
					return err
				})
			}, append([]string{path}, arguments...)...)
		})
	}
}

// goServer is a Go program that binds from many threads at once, and talks to itself.
const goServer = `package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func tcp(address string) {
	listener, err := net.Listen("tcp", address)
	must(err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.Copy(conn, conn)
			conn.Close()
		}
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	must(err)
	defer conn.Close()
	_, err = io.WriteString(conn, "hello\n")
	must(err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	must(err)
	if line != "hello\n" {
		must(fmt.Errorf("got %q", line))
	}
}

func udp(address string) {
	local, err := net.ResolveUDPAddr("udp", address)
	must(err)
	conn, err := net.ListenUDP("udp", local)
	must(err)
	defer conn.Close()
	peer, err := net.Dial("udp", net.JoinHostPort("localhost", strconv.Itoa(local.Port)))
	must(err)
	defer peer.Close()
	_, err = peer.Write([]byte("hello"))
	must(err)
	buffer := make([]byte, 10)
	n, _, err := conn.ReadFrom(buffer)
	must(err)
	if string(buffer[:n]) != "hello" {
		must(fmt.Errorf("got %q", buffer[:n]))
	}
}

func main() {
	fmt.Println(os.Getenv("BERTH_TCP"))
	bufio.NewReader(os.Stdin).ReadString('\n')
	rounds, _ := strconv.Atoi(os.Args[1])
	var threads sync.WaitGroup
	for protocol, do := range map[string]func(string){"TCP": tcp, "UDP": udp} {
		first, _ := strconv.Atoi(os.Getenv("BERTH_" + protocol + "_FIRST"))
		last, _ := strconv.Atoi(os.Getenv("BERTH_" + protocol + "_LAST"))
		for port := first; port <= last; port++ {
			threads.Go(func() {
				runtime.LockOSThread()
				for range rounds {
					do(":" + strconv.Itoa(port))
					do("127.0.0.1:" + strconv.Itoa(port))
				}
			})
		}
	}
	threads.Wait()
	fmt.Println("done")
	io.Copy(io.Discard, os.Stdin)
}
`

func TestStaticGoServerBindsFromManyThreads(t *testing.T) {
	requireSupervision(t)
	compiler := requireProgram(t, "go")
	folder, err := os.MkdirTemp("", "berth-server-")
	require.NoError(t, err)
	defer os.RemoveAll(folder)
	require.NoError(t, os.Chmod(folder, 0o755))
	source, server := filepath.Join(folder, "main.go"), filepath.Join(folder, "server")
	require.NoError(t, os.WriteFile(source, []byte(goServer), 0o600))
	build := exec.CommandContext(t.Context(), compiler, "build", "-o", server, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	build.Dir = folder
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			i := install(t, u)
			c := i.start(t, "exec", "tcp", "8", "udp", "8", "--", server, "10")
			thief := startThief(t, i, reservation.TCP, c.line(t))
			c.tell(t, "go")
			require.Equal(t, "done", c.line(t))
			thief.requireNothing(t)
			require.NoError(t, c.stdin.Close())
			require.Zero(t, c.wait())
			require.Empty(t, c.said(t))
		})
	}
}

// nginxConfiguration keeps everything in its folder. It listens with two sockets on one port, and
// with one socket a worker on another.
const nginxConfiguration = `
daemon off;
pid %[1]s/pid;
error_log stderr warn;
worker_processes 2;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	server {
		listen 0.0.0.0:FIRST;
		listen [::]:FIRST ipv6only=on;
		listen 127.0.0.1:LAST reuseport;
		location / { return 200 "hello\n"; }
	}
}
`

func TestNginxServesWhileAThiefGetsNothing(t *testing.T) {
	requireSupervision(t)
	nginx := requireProgram(t, "nginx")
	for _, u := range users() {
		t.Run(u.name, func(t *testing.T) {
			i := install(t, u)
			configuration := filepath.Join(i.folder, "nginx.conf")
			require.NoError(t, os.WriteFile(configuration, []byte(fmt.Sprintf(nginxConfiguration, i.folder)), 0o644))
			shell := `sed "s/FIRST/$1/; s/LAST/$2/" <nginx.conf >run.conf; echo "$1-$2"; read go; exec ` + nginx + ` -p . -c run.conf -e stderr`
			c := i.start(t, "exec", "tcp", "2", "--", requireProgram(t, "sh"), "-c", shell, "sh", "{tcp.first}", "{tcp.last}")
			ports := c.line(t)
			thief := startThief(t, i, reservation.TCP, ports)
			c.tell(t, "go")
			first, last, _ := strings.Cut(ports, "-")
			requirePage("127.0.0.1")(t, first)
			requirePage("::1")(t, first)
			requirePage("127.0.0.1")(t, last)
			before := processNumber(t, i.folder+"/pid")
			require.NoError(t, c.berth.Process.Signal(syscall.SIGHUP)) // reload, passed on
			requirePage("127.0.0.1")(t, first)
			require.Equal(t, before, processNumber(t, i.folder+"/pid"))
			thief.requireNothing(t)
			require.NoError(t, c.berth.Process.Signal(syscall.SIGQUIT))
			require.Zero(t, c.wait(), c.said(t))
		})
	}
}

func processNumber(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return number
}

// A shell runs several programs, one after the other and at once.
func TestShellWithChildren(t *testing.T) {
	requireSupervision(t)
	python := requireProgram(t, "python3")
	program := `import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(("127.0.0.1",int(sys.argv[1]))); print(s.getsockname()[1], flush=True); sys.stdin.read()`
	shell := `"$1" -c "$2" $3 & "$1" -c "$2" $4 & wait; "$1" -c "$2" $3; "$1" -c "$2" $5`
	stdout, stderr, code := install(t, users()[0]).run(t, "exec", "udp", "2", "--", requireProgram(t, "sh"), "-c", shell, "sh", python, program, "{udp.0}", "{udp.1}", "{udp.1}")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.Equal(t, 4, len(strings.Fields(stdout)), stdout)
}
