package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"time"
)

// waitCommand becomes another program once an address says that it is ready. A Kubernetes component that starts before
// its API server is refused what it asks for, or ends, and tries again ever later; after it, it comes up at once.
func waitCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("wait", flag.ExitOnError)
	url := flags.String("url", "", "https URL that must answer 200")
	ca := flags.String("ca", "", "file with the authority that signed its certificate")
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: moorage-host wait --url URL --ca FILE -- PROGRAM [ARGUMENT]...")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("no program is given")
	}
	client, err := clientOf(*ca)
	if err != nil {
		return err
	}
	for !answers(ctx, client, *url) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return syscall.Exec(flags.Arg(0), flags.Args(), os.Environ())
}

func clientOf(ca string) (*http.Client, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &http.Client{Transport: transport, Timeout: time.Second}, nil
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // only the status is asked for
	return response.StatusCode == http.StatusOK
}
