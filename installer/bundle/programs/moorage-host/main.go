// moorage-host does on a host what shell and systemd do not: it balances, supervises, hands files on, and proxies.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: moorage-host COMMAND [OPTION]...

  balance   a node-local TCP balancer over the manager's API servers
  run       a supervisor for the processes of a node pod
  serve     hand the files of a store to other hosts, over TLS and with a token
  receive   take the files of a bundle from standard input, for the first host of a region
  fetch     get the files of a bundle from other hosts, and lay out its release
  wait      become another program once an API server is ready
  remove    remove a directory, or all in it but one entry
  volume    make a directory in which everybody may write, in one that only root may enter
  hold      have an address on this host while its API server can write who holds it
  egress    the way of an API server to pods and services, through the proxies of nodes
  proxy     HTTP CONNECT over mutual TLS to the pods and services of a cluster, from one of its nodes

moorage-host COMMAND --help tells the options.
`

func main() {
	log.SetFlags(0) // whoever reads our output stamps it
	commands := map[string]func(context.Context, []string) error{
		"balance": balanceCommand,
		"run":     runCommand,
		"serve":   serveCommand,
		"fetch":   fetchCommand,
		"receive": receiveCommand,
		"hold":    holdCommand,
		"egress":  egressCommand,
		"proxy":   proxyCommand,
		"remove":  removeCommand,
		"volume":  volumeCommand,
		"wait":    waitCommand,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := commands[os.Args[1]](ctx, os.Args[2:])
	stop()
	if err != nil {
		log.Fatalf("moorage-host %s: %v", os.Args[1], err)
	}
}
