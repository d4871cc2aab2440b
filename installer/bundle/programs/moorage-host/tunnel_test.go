package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const loopback = "127.0.0.0/8"

// authority issues certificates into a folder, as a cluster's front-proxy authority does.
type authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{folder: t.TempDir(), certificate: template}
	a.key = a.write(t, "ca", template, nil)
	return a
}

// issue writes name.crt and name.key.
func (a *authority) issue(t *testing.T, name string, usage x509.ExtKeyUsage) {
	t.Helper()
	a.write(t, name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, a.key)
}

func (a *authority) write(t *testing.T, name string, template *x509.Certificate, signer *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".crt": {Type: "CERTIFICATE", Bytes: certificate},
		name + ".key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

func (a *authority) path(file string) string { return filepath.Join(a.folder, file) }

// client is the TLS configuration of one that has the certificate name.
func (a *authority) client(t *testing.T, name string) *tls.Config {
	t.Helper()
	pool, err := certificatesOf(a.path("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(a.path(name+".crt"), a.path(name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: "node"}
}

// cluster is an authority with the certificates of a node's proxy, an API server and somebody else.
func cluster(t *testing.T) *authority {
	t.Helper()
	a := newAuthority(t)
	a.issue(t, "node", x509.ExtKeyUsageServerAuth)
	a.issue(t, "api-server", x509.ExtKeyUsageClientAuth)
	a.issue(t, "somebody", x509.ExtKeyUsageClientAuth)
	return a
}

// proxying serves a node's proxy to some networks, and returns where.
func proxying(t *testing.T, a *authority, to string) string {
	t.Helper()
	config, err := mutualTLS(a.path("node.crt"), a.path("node.key"), a.path("ca.crt"), "api-server")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	reachable, err := parseRanges(to)
	if err != nil {
		t.Fatal(err)
	}
	return connecting(t, listener, dialWithin(reachable))
}

// connecting serves CONNECT until the test ends, and returns where.
func connecting(t *testing.T, listener net.Listener, dial dialer) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveConnect(ctx, listener, dial) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// sent sends a request and returns the answer, and the connection behind it.
func sent(t *testing.T, conn net.Conn, request string) (net.Conn, *http.Response) {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: strings.Fields(request)[0]})
	if err != nil {
		t.Fatal(err)
	}
	return bufferedConn{conn, reader}, response
}

func connect(address string) string {
	return fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", address) // as an API server writes it
}

// talks checks that an echo answers at the other end.
func talks(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "1hello" {
		t.Errorf("came back: %q, %v", got, err)
	}
}

func TestAnAddressIsInsideOfANetworkOrNot(t *testing.T) {
	inside, err := parseRanges("10.244.0.0/16,10.96.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	for address, wanted := range map[string]bool{
		"10.244.1.2:80": true, "10.96.0.1:443": true, "10.97.0.1:443": false, "127.0.0.1:80": false,
		"[::ffff:10.244.1.2]:80": false, "hook.example.com:443": false, "10.244.1.2": false,
	} {
		if inside.have(address) != wanted {
			t.Errorf("%s: not %v", address, wanted)
		}
	}
	if _, err := parseRanges(""); err == nil {
		t.Error("no networks at all are accepted")
	}
}

func TestWhoRefusesIsAskedAgainForAMoment(t *testing.T) {
	address := unused(t)
	if _, err := dialDirectly(t.Context(), address); err == nil {
		t.Fatal("nobody listens there")
	}
	late := make(chan net.Listener, 1)
	time.AfterFunc(3*askAgain, func() {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
		}
		late <- listener
	})
	conn, err := dialDirectly(t.Context(), address)
	(<-late).Close()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// unused is an address of the loopback at which nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
