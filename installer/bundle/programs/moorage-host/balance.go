package main

import (
	"context"
	"crypto/tls"
	"flag"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	dialTimeout   = 2 * time.Second
	healthyEvery  = 5 * time.Second // a handshake costs an API server a fraction of a millisecond, for each node
	sickEvery     = 1 * time.Second
	failuresToBad = 2 // of checks in a row; a refused connection counts at once
	rereadEvery   = 1 * time.Second
)

func balanceCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("balance", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:7443", "address to listen on")
	file := flags.String("upstreams-file", "", "file with one upstream, host:port, a line; read again when it changes")
	prefer := flags.String("prefer", "", "the upstream that is taken while it is well; else the one with the fewest connections")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	b := newBalancer(checkTLS)
	b.prefer = *prefer
	if err := b.follow(ctx, *file); err != nil {
		return err
	}
	log.Printf("listening on %s for %v", listener.Addr(), b.addresses())
	return b.serve(ctx, listener)
}

// upstream is one server and the connections that go through us to it.
type upstream struct {
	address string
	cancel  context.CancelFunc // ends its health checks

	mu    sync.Mutex
	sick  bool
	gone  bool // no longer wanted: a connection that was being made must not stay
	conns map[net.Conn]struct{}
}

type balancer struct {
	check  func(ctx context.Context, address string) error
	prefer string // address of the upstream that comes first while it is well

	mu        sync.Mutex
	upstreams []*upstream
}

func newBalancer(check func(context.Context, string) error) *balancer {
	return &balancer{check: check}
}

// follow reads the upstreams from a file now, and again whenever its content changes.
func (b *balancer) follow(ctx context.Context, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	b.set(ctx, strings.Fields(string(content)))
	go func() {
		for sleep(ctx, rereadEvery) {
			now, err := os.ReadFile(file)
			if err != nil || string(now) == string(content) || len(strings.Fields(string(now))) == 0 {
				continue // it is being replaced, or nothing is new
			}
			content = now
			b.set(ctx, strings.Fields(string(content)))
			log.Printf("upstreams are now %v", b.addresses())
		}
	}()
	return nil
}

// set makes addresses the upstreams; those that stay keep their connections and their health.
func (b *balancer) set(ctx context.Context, addresses []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := map[string]*upstream{}
	for _, u := range b.upstreams {
		known[u.address] = u
	}
	next := make([]*upstream, 0, len(addresses))
	for _, address := range addresses {
		u := known[address]
		delete(known, address)
		if u == nil {
			checks, cancel := context.WithCancel(ctx)
			u = &upstream{address: address, cancel: cancel, conns: map[net.Conn]struct{}{}}
			go b.watch(checks, u)
		}
		if !slices.Contains(next, u) {
			next = append(next, u)
		}
	}
	for _, u := range known {
		u.cancel()
		u.leave()
	}
	b.upstreams = next
}

func (b *balancer) addresses() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	addresses := make([]string, len(b.upstreams))
	for i, u := range b.upstreams {
		addresses[i] = u.address
	}
	return addresses
}

// watch checks one upstream until ctx ends.
func (b *balancer) watch(ctx context.Context, u *upstream) {
	failures := 0
	for {
		every := healthyEvery
		if err := b.check(ctx, u.address); err == nil {
			failures = 0
			u.setSick(false, nil)
		} else if ctx.Err() == nil {
			every = sickEvery
			if failures++; failures >= failuresToBad {
				u.setSick(true, err)
			}
		}
		// Nodes started together must not check together.
		if !sleep(ctx, every*3/4+rand.N(every/2)) {
			return
		}
	}
}

func (b *balancer) serve(ctx context.Context, listener net.Listener) error {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			log.Printf("accept: %v", err)
			sleep(ctx, 50*time.Millisecond) // out of file descriptors: wait for some to come back
			continue
		}
		go b.carry(client)
	}
}

// carry joins a client to the best upstream that answers.
func (b *balancer) carry(client net.Conn) {
	defer client.Close()
	for _, u := range b.byPreference() {
		server, err := net.DialTimeout("tcp", u.address, dialTimeout)
		if err != nil {
			u.setSick(true, err)
			continue
		}
		if !u.add(server) {
			server.Close()
			continue
		}
		join(client, server)
		u.remove(server)
		return
	}
}

// byPreference: the preferred one, healthy before sick, fewest connections first, equals in any order.
func (b *balancer) byPreference() []*upstream {
	b.mu.Lock()
	upstreams := slices.Clone(b.upstreams)
	b.mu.Unlock()
	rand.Shuffle(len(upstreams), func(i, j int) { upstreams[i], upstreams[j] = upstreams[j], upstreams[i] })
	slices.SortStableFunc(upstreams, func(x, y *upstream) int { return x.rank(b.prefer) - y.rank(b.prefer) })
	return upstreams
}

func (u *upstream) rank(prefer string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sick {
		return 1<<30 + len(u.conns)
	}
	if u.address == prefer {
		return -1
	}
	return len(u.conns)
}

func (u *upstream) add(conn net.Conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.gone {
		u.conns[conn] = struct{}{}
	}
	return !u.gone
}

func (u *upstream) remove(conn net.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conns, conn)
	conn.Close()
}

// setSick notes the health; an upstream that falls ill loses its connections, so that clients come back at once.
func (u *upstream) setSick(sick bool, why error) {
	u.mu.Lock()
	changed := u.sick != sick
	u.sick = sick
	u.mu.Unlock()
	if changed && sick {
		log.Printf("%s does not answer: %v", u.address, why)
		u.closeAll()
	} else if changed {
		log.Printf("%s answers again", u.address)
	}
}

func (u *upstream) leave() {
	u.mu.Lock()
	u.gone = true
	u.mu.Unlock()
	u.closeAll()
}

func (u *upstream) closeAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for conn := range u.conns {
		conn.Close()
	}
}

// checkTLS succeeds where a TLS server answers. Who it is does not matter here: the client behind us verifies that.
func checkTLS(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// join copies both ways until both sides are done, or one fails. The kernel moves the bytes (splice), not we.
func join(a, b net.Conn) {
	done := make(chan error, 2)
	copyTo := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
			err = half.CloseWrite()
		}
		done <- err
	}
	go copyTo(a, b)
	go copyTo(b, a)
	if err := <-done; err != nil {
		return // the deferred closes of our caller end the other direction
	}
	<-done
}

// sleep waits, and says whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
