package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// echo answers every connection with its name, and with what it is sent.
func echo(t *testing.T, name string) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := io.WriteString(conn, name); err == nil {
					_, _ = io.Copy(conn, conn)
				}
			}()
		}
	}()
	return listener.Addr().String(), func() { listener.Close() }
}

// balancing serves b and returns where.
func balancing(t *testing.T, b *balancer) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// asked connects and returns who answers; the connection stays open until the test ends.
func asked(t *testing.T, address string) (string, net.Conn) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	name := make([]byte, 1)
	if _, err := io.ReadFull(conn, name); err != nil {
		return "", conn
	}
	return string(name), conn
}

// eventually repeats a check until it holds; the time is only how long a broken program keeps a test waiting.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatal(what)
}

func always(err error) func(context.Context, string) error {
	return func(context.Context, string) error { return err }
}

func TestConnectionsAreSpreadOverAllServers(t *testing.T) {
	first, _ := echo(t, "1")
	second, _ := echo(t, "2")
	b := newBalancer(always(nil))
	b.set(t.Context(), []string{first, second})
	address := balancing(t, b)
	seen := map[string]int{}
	for range 10 {
		name, _ := asked(t, address)
		seen[name]++
	}
	if seen["1"] != 5 || seen["2"] != 5 {
		t.Errorf("the connections went to %v", seen)
	}
}

func TestThePreferredServerIsTakenWhileItIsWell(t *testing.T) {
	first, _ := echo(t, "1")
	second, stop := echo(t, "2")
	b := newBalancer(always(nil))
	b.prefer = second
	b.set(t.Context(), []string{first, second})
	address := balancing(t, b)
	for range 5 {
		if name, _ := asked(t, address); name != "2" {
			t.Fatalf("answered by %q", name)
		}
	}
	stop()
	if name, _ := asked(t, address); name != "1" {
		t.Errorf("with the other gone, answered by %q", name)
	}
}

func TestBytesGoBothWays(t *testing.T) {
	server, _ := echo(t, "1")
	b := newBalancer(always(nil))
	b.set(t.Context(), []string{server})
	_, conn := asked(t, balancing(t, b))
	if _, err := io.WriteString(conn, "there and back"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "there and back" {
		t.Errorf("came back: %q, %v", got, err)
	}
}

func TestAServerThatRefusesIsPassedOver(t *testing.T) {
	gone, stop := echo(t, "1")
	stop()
	here, _ := echo(t, "2")
	b := newBalancer(always(nil))
	b.set(t.Context(), []string{gone, here})
	address := balancing(t, b)
	for range 5 {
		if name, _ := asked(t, address); name != "2" {
			t.Fatalf("answered by %q", name)
		}
	}
}

func TestAServerThatFallsIllLosesItsConnections(t *testing.T) {
	server, _ := echo(t, "1")
	var ill atomic.Bool
	b := newBalancer(func(context.Context, string) error {
		if ill.Load() {
			return errors.New("hangs")
		}
		return nil
	})
	b.set(t.Context(), []string{server})
	_, conn := asked(t, balancing(t, b))
	ill.Store(true)
	b.upstreams[0].setSick(true, errors.New("hangs"))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection lives on")
	}
}

func TestAllServersIllAreTriedAllTheSame(t *testing.T) {
	server, _ := echo(t, "1")
	b := newBalancer(always(errors.New("ill")))
	b.set(t.Context(), []string{server})
	b.upstreams[0].setSick(true, errors.New("ill"))
	if name, _ := asked(t, balancing(t, b)); name != "1" {
		t.Errorf("answered by %q", name)
	}
}

func TestServersFollowTheFile(t *testing.T) {
	first, _ := echo(t, "1")
	second, _ := echo(t, "2")
	file := filepath.Join(t.TempDir(), "upstreams")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(first + "\n")
	b := newBalancer(always(nil))
	if err := b.follow(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	address := balancing(t, b)
	name, old := asked(t, address)
	if name != "1" {
		t.Fatalf("answered by %q", name)
	}
	write("\n") // nobody means this
	write(second + "\n")
	eventually(t, "the new server never answers", func() bool {
		name, _ := asked(t, address)
		return name == "2"
	})
	if _, err := old.Read(make([]byte, 1)); err == nil {
		t.Error("a connection to a server that left lives on")
	}
}

func TestWithoutAFileThereIsNothingToBalance(t *testing.T) {
	if err := newBalancer(always(nil)).follow(t.Context(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error")
	}
}
