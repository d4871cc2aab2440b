// moorage-datastore moves the keys of one cluster from an etcd to another while the cluster writes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/grpclog"
)

const usage = `usage: moorage-datastore move --prefix KEYS --from SERVERS --from-certificates FOLDER --to SERVERS --to-certificates FOLDER

Copies every key below KEYS and follows what changes, until the line "finish" is read from standard input. Whoever writes
that line has locked the writers out; then what is missing is brought over, both sides are compared, and the command ends.
Servers are URLs with commas between. A folder holds ca.crt, client.crt and client.key. What is below KEYS in the
destination before is removed. How far it is, is told in lines of JSON on standard output.
`

const dialTimeout = 5 * time.Second

func main() {
	log.SetFlags(0) // whoever reads our output stamps it
	if len(os.Args) < 2 || os.Args[1] != "move" {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[2:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		log.Fatalf("moorage-datastore: %v", err)
	}
}

func command(ctx context.Context, args []string, input io.Reader, output io.Writer) error {
	flags := flag.NewFlagSet("move", flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	prefix := flags.String("prefix", "", "")
	from, fromFolder := flags.String("from", "", ""), flags.String("from-certificates", "", "")
	to, toFolder := flags.String("to", "", ""), flags.String("to-certificates", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *prefix == "" {
		return errors.New("no prefix is given: all keys of an etcd are nobody's to move")
	}
	source, err := connect(*from, *fromFolder)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer source.Close()
	destination, err := connect(*to, *toFolder)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	defer destination.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	one := &move{from: source, to: destination, prefix: *prefix, leases: leases{}, tell: teller(output)}
	err = one.run(ctx, finishLine(input, cancel))
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// connect returns a client as the user whose certificate is in the folder.
func connect(servers, folder string) (*clientv3.Client, error) {
	files := transport.TLSInfo{
		TrustedCAFile: filepath.Join(folder, "ca.crt"),
		CertFile:      filepath.Join(folder, "client.crt"),
		KeyFile:       filepath.Join(folder, "client.key"),
	}
	config, err := files.ClientConfig()
	if err != nil {
		return nil, err
	}
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) // errors reach us as errors
	return clientv3.New(clientv3.Config{
		Endpoints:            strings.Split(servers, ","),
		TLS:                  config,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    dialTimeout,
		DialKeepAliveTimeout: dialTimeout,
		Logger:               zap.NewNop(),
	})
}

// finishLine returns a channel that is closed by the line "finish"; without it, the end of the input ends everything:
// whoever started us is gone.
func finishLine(input io.Reader, cancel context.CancelCauseFunc) <-chan struct{} {
	finish := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(input)
		for lines.Scan() {
			if lines.Text() == "finish" {
				close(finish)
				return
			}
		}
		cancel(errors.New("standard input ended before the line \"finish\""))
	}()
	return finish
}

// progress is a line of output.
type progress struct {
	Phase string `json:"phase"`
	Keys  int64  `json:"keys"`
	// Gap is by how many revisions the destination is behind what the cluster's clients have seen.
	Gap int64 `json:"gap"`
}

func teller(output io.Writer) func(progress) error {
	encoder := json.NewEncoder(output)
	return func(line progress) error { return encoder.Encode(line) }
}
