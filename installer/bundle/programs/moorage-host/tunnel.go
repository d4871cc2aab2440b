package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	dialTarget  = 5 * time.Second
	readRequest = 10 * time.Second
	// A refusal may be this node's alone, whose kube-proxy has not heard of a new endpoint yet: an API server takes
	// another node each time.
	refusedFor = time.Second
	askAgain   = 100 * time.Millisecond
)

// dialer connects to an address, host:port, that a client asked for.
type dialer func(ctx context.Context, address string) (net.Conn, error)

// errOutside says that an address is none of those that may be asked for.
var errOutside = errors.New("not an address of the cluster's pods and services")

// serveConnect answers HTTP CONNECT, and nothing else, until ctx ends.
func serveConnect(ctx context.Context, listener net.Listener, dial dialer) error {
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tunnel(w, r, dial) }),
		ReadHeaderTimeout: readRequest,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1: a tunnel is a connection
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	log.Printf("listening on %s", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// tunnel joins the client to the address it names by CONNECT. Why that fails stands in the status line: an API server
// shows its users that line, never a body.
func tunnel(w http.ResponseWriter, r *http.Request, dial dialer) {
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT is all there is", http.StatusMethodNotAllowed)
		return
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer client.Close()
	server, err := dial(r.Context(), r.Host)
	if err != nil {
		status := http.StatusBadGateway
		if errors.Is(err, errOutside) {
			status = http.StatusForbidden
		}
		log.Printf("%s: %v", r.Host, err)
		_, _ = fmt.Fprintf(client, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n", status, oneLine(err))
		return
	}
	defer server.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	join(bufferedConn{client, buffered.Reader}, server)
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// dialDirectly connects from where we are; who refuses is asked again for a moment.
func dialDirectly(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTarget)
	defer cancel()
	patience := time.Now().Add(refusedFor)
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(patience) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askAgain):
		}
	}
}

// ranges are networks, in CIDR notation with commas in between.
type ranges []netip.Prefix

func parseRanges(text string) (ranges, error) {
	var found ranges
	for one := range strings.SplitSeq(text, ",") {
		prefix, err := netip.ParsePrefix(one)
		if err != nil {
			return nil, err
		}
		found = append(found, prefix)
	}
	return found, nil
}

// have says whether an address, host:port, lies in one of the networks. A name lies in none.
func (r ranges) have(address string) bool {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	for _, prefix := range r {
		if prefix.Contains(target.Addr()) {
			return true
		}
	}
	return false
}

func certificatesOf(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s has no certificate", file)
	}
	return pool, nil
}

// bufferedConn gives what came with the request before what comes after it.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c bufferedConn) Read(data []byte) (int, error) { return c.reader.Read(data) }

// CloseWrite ends our direction where the connection below can.
func (c bufferedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
