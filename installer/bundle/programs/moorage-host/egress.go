package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	reachNode   = 500 * time.Millisecond // one try; a node is a millisecond away, or gone
	nodeAnswers = dialTarget + time.Second
	tryFor      = 5 * time.Second
	betweenTry  = 100 * time.Millisecond
)

// egressCommand runs beside an API server: it takes connections to pods and services of the cluster to the proxy of a
// node, and makes all others itself, as the API server would.
func egressCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("egress", flag.ExitOnError)
	listen := flags.String("listen", "", "unix socket to listen on")
	to := flags.String("to", "", "networks that only nodes reach, CIDR with commas in between")
	via := flags.String("via", "", "host:port that leads to the proxy of any node")
	certificate := flags.String("certificate", "", "file with our certificate, PEM; read again for each connection")
	key := flags.String("key", "", "file with its key, PEM")
	ca := flags.String("ca", "", "file with the authority of the proxies, PEM")
	name := flags.String("server-name", "", "name in the certificates of the proxies")
	if err := flags.Parse(args); err != nil {
		return err
	}
	inside, err := parseRanges(*to)
	if err != nil {
		return err
	}
	pool, err := certificatesOf(*ca)
	if err != nil {
		return err
	}
	nodes := &nodes{address: *via, tryFor: tryFor, config: &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    pool,
		ServerName: *name,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(*certificate, *key)
			return &pair, err
		},
	}}
	if err := os.Remove(*listen); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // of a run before this one that was killed
	}
	listener, err := net.Listen("unix", *listen)
	if err != nil {
		return err
	}
	return serveConnect(ctx, listener, nodes.dialer(inside))
}

// nodes are proxies behind one address that leads to another of them for each connection.
type nodes struct {
	address string
	tryFor  time.Duration
	config  *tls.Config
}

func (n *nodes) dialer(inside ranges) dialer {
	return func(ctx context.Context, address string) (net.Conn, error) {
		if inside.have(address) {
			return n.dial(ctx, address)
		}
		return dialDirectly(ctx, address)
	}
}

// dial asks one node after the other until one answers: the address may lead for a while to a node that is gone.
func (n *nodes) dial(ctx context.Context, address string) (net.Conn, error) {
	for started := time.Now(); ; {
		conn, err := n.ask(ctx, address)
		if err == nil || errors.As(err, new(*answeredError)) {
			return conn, err
		}
		if time.Since(started) > n.tryFor || !sleep(ctx, betweenTry) {
			return nil, fmt.Errorf("no node of the cluster answers: %w", err)
		}
	}
}

// ask makes one try. An answeredError is a node's word on the address: another node would say the same.
func (n *nodes) ask(ctx context.Context, address string) (net.Conn, error) {
	raw, err := (&net.Dialer{Timeout: reachNode}).DialContext(ctx, "tcp", n.address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, n.config)
	_ = conn.SetDeadline(time.Now().Add(nodeAnswers)) // an error would be one of the next write's, too
	response, reader, err := requestTunnel(conn, address)
	if err != nil {
		conn.Close()
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		conn.Close()
		return nil, &answeredError{strings.TrimPrefix(response.Status, fmt.Sprintf("%d ", response.StatusCode))}
	}
	return bufferedConn{conn, reader}, conn.SetDeadline(time.Time{})
}

func requestTunnel(conn net.Conn, address string) (*http.Response, *bufio.Reader, error) {
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address); err != nil {
		return nil, nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	return response, reader, err
}

type answeredError struct{ text string }

func (e *answeredError) Error() string { return e.text }
