package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// proxying serves a proxy that trusts clients with the certificate of trusted, and returns where.
func proxying(t *testing.T, own, trusted *transferSecrets) string {
	t.Helper()
	folder := t.TempDir()
	files := map[string]string{"own.crt": own.Certificate, "own.key": own.Key, "clients.crt": trusted.Certificate}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := mutualTLS(
		filepath.Join(folder, "own.crt"), filepath.Join(folder, "own.key"), filepath.Join(folder, "clients.crt"),
	)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- proxyServe(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// through sends a request to the proxy as a client with these secrets.
func through(t *testing.T, proxy string, secrets *transferSecrets, request string) (net.Conn, *http.Response, error) {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(secrets.Certificate), []byte(secrets.Key))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", proxy, &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true})
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: strings.Fields(request)[0]})
	return bufferedConn{conn, reader}, response, err
}

func connect(address string) string {
	return fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address)
}

func TestAClientThatIsKnownReachesAnyAddress(t *testing.T) {
	client := newSecrets(t)
	server, _ := echo(t, "1")
	proxy := proxying(t, newSecrets(t), client)
	conn, response, err := through(t, proxy, client, connect(server))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "1hello" {
		t.Errorf("came back: %q, %v", got, err)
	}
}

func TestAClientThatIsNotKnownReachesNothing(t *testing.T) {
	server, _ := echo(t, "1")
	proxy := proxying(t, newSecrets(t), newSecrets(t))
	if _, response, err := through(t, proxy, newSecrets(t), connect(server)); err == nil {
		t.Errorf("answered with %v", response)
	}
}

func TestAnAddressThatDoesNotAnswerIsTold(t *testing.T) {
	client := newSecrets(t)
	gone, stop := echo(t, "1")
	stop()
	_, response, err := through(t, proxying(t, newSecrets(t), client), client, connect(gone))
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusBadGateway {
		t.Errorf("answered with %v", response.Status)
	}
}

func TestOtherRequestsAreRefused(t *testing.T) {
	client := newSecrets(t)
	request := "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	_, response, err := through(t, proxying(t, newSecrets(t), client), client, request)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("answered with %v", response.Status)
	}
}
