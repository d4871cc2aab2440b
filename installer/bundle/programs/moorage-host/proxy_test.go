package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// asAPIServer connects to a node's proxy.
func asAPIServer(t *testing.T, a *authority, proxy string) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", proxy, a.client(t, "api-server"))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestAnAPIServerReachesAPod(t *testing.T) {
	a := cluster(t)
	server, _ := echo(t, "1")
	conn, response := sent(t, asAPIServer(t, a, proxying(t, a, loopback)), connect(server))
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	talks(t, conn)
}

func TestWhoIsNoAPIServerOfTheClusterReachesNothing(t *testing.T) {
	a := cluster(t)
	proxy := proxying(t, a, loopback)
	stranger := cluster(t).client(t, "api-server")
	stranger.RootCAs = a.client(t, "somebody").RootCAs
	for who, config := range map[string]*tls.Config{
		"another client": a.client(t, "somebody"), "another cluster's": stranger, "no client": {InsecureSkipVerify: true},
	} {
		conn, err := tls.Dial("tcp", proxy, config)
		if err == nil { // with TLS 1.3 a client learns by its first read that it is refused
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if err == nil || err == io.EOF {
			t.Errorf("%s is let in: %v", who, err)
		}
	}
}

func TestTheAuthorityOfClientsIsReadForEachConnection(t *testing.T) {
	a, next := cluster(t), cluster(t)
	address, servers := proxying(t, a, loopback), a.client(t, "api-server").RootCAs
	lets := func(clients *authority) bool {
		config := clients.client(t, "api-server")
		config.RootCAs = servers
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			return false
		}
		defer conn.Close()
		_, err = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if err == nil { // with TLS 1.3 a client learns by its first read that it is refused
			_, err = conn.Read(make([]byte, 1))
		}
		return err == nil
	}
	if !lets(a) || lets(next) {
		t.Error("it does not let in clients of its authority, and nobody else")
	}
	ca, err := os.ReadFile(next.path("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.path("ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	if lets(a) || !lets(next) {
		t.Error("it does not follow its file")
	}
}

func TestAProxyWithoutANameForItsClientsDoesNotStart(t *testing.T) {
	a := cluster(t)
	if _, err := mutualTLS(a.path("node.crt"), a.path("node.key"), a.path("ca.crt"), ""); err == nil {
		t.Error("it does")
	}
}

func TestAddressesOutsideOfTheClusterAreRefused(t *testing.T) {
	a := cluster(t)
	server, _ := echo(t, "1")
	_, response := sent(t, asAPIServer(t, a, proxying(t, a, "10.244.0.0/16")), connect(server))
	if response.StatusCode != http.StatusForbidden || !strings.Contains(response.Status, "pods and services") {
		t.Errorf("answered with %v", response.Status)
	}
}

func TestWhyAnAddressDoesNotAnswerIsTold(t *testing.T) {
	a := cluster(t)
	gone, stop := echo(t, "1")
	stop()
	_, response := sent(t, asAPIServer(t, a, proxying(t, a, loopback)), connect(gone))
	if response.StatusCode != http.StatusBadGateway || !strings.Contains(response.Status, "connection refused") {
		t.Errorf("answered with %v", response.Status)
	}
}

func TestOtherRequestsAreRefused(t *testing.T) {
	a := cluster(t)
	_, response := sent(t, asAPIServer(t, a, proxying(t, a, loopback)), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("answered with %v", response.Status)
	}
}
