package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// waitCommand becomes another program once somebody listens at an address. A Kubernetes component that starts before
// its API server ends after ten seconds, and is started again ever later; one that starts after it comes up at once.
func waitCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("wait", flag.ExitOnError)
	address := flags.String("tcp", "", "host:port that must accept connections")
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: moorage-host wait --tcp HOST:PORT -- PROGRAM [ARGUMENT]...")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("no program is given")
	}
	for {
		stream, err := net.DialTimeout("tcp", *address, time.Second)
		if err == nil {
			_ = stream.Close() // nothing was sent
			return syscall.Exec(flags.Arg(0), flags.Args(), os.Environ())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
