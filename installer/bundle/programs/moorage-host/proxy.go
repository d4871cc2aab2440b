package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
)

// proxyCommand runs on a node of a cluster: it connects the cluster's API servers, and nobody else, to pods and services.
func proxyCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("proxy", flag.ExitOnError)
	listen := flags.String("listen", ":7445", "address to listen on")
	certificate := flags.String("certificate", "", "file with our certificate, PEM; read again for each connection")
	key := flags.String("key", "", "file with its key, PEM")
	clientCA := flags.String("client-ca", "", "file with the authority of clients, PEM; read again for each connection")
	clientName := flags.String("client-name", "", "common name of the clients of that authority that may use the proxy")
	to := flags.String("to", "", "networks that may be reached, CIDR with commas in between")
	if err := flags.Parse(args); err != nil {
		return err
	}
	reachable, err := parseRanges(*to)
	if err != nil {
		return err
	}
	config, err := mutualTLS(*certificate, *key, *clientCA, *clientName)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", *listen, config)
	if err != nil {
		return err
	}
	return serveConnect(ctx, listener, dialWithin(reachable))
}

// dialWithin connects to addresses of these networks alone.
func dialWithin(reachable ranges) dialer {
	return func(ctx context.Context, address string) (net.Conn, error) {
		if !reachable.have(address) {
			return nil, errOutside
		}
		return dialDirectly(ctx, address)
	}
}

func mutualTLS(certificate, key, clientCA, clientName string) (*tls.Config, error) {
	if clientName == "" {
		return nil, errors.New("--client-name is missing: any client of the authority would be let in")
	}
	// Read again for each connection: authorities change, and to start anew would cut those that are open.
	accepting := func(*tls.ClientHelloInfo) (*tls.Config, error) { return accept(certificate, key, clientCA, clientName) }
	_, err := accepting(nil)
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: accepting}, err
}

// accept is for one connection.
func accept(certificate, key, clientCA, clientName string) (*tls.Config, error) {
	pool, err := certificatesOf(clientCA)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  pool,
		VerifyConnection: func(state tls.ConnectionState) error {
			if name := state.PeerCertificates[0].Subject.CommonName; name != clientName {
				return fmt.Errorf("the client is %q, not %q", name, clientName)
			}
			return nil
		},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certificate, key)
			return &pair, err
		},
	}, nil
}
