package main

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// leaving serves an API server's way out, and returns the socket.
func leaving(t *testing.T, a *authority, via, to string) string {
	t.Helper()
	inside, err := parseRanges(to)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "egress"))
	if err != nil {
		t.Fatal(err)
	}
	way := &nodes{address: via, tryFor: 300 * time.Millisecond, config: a.client(t, "api-server")}
	return connecting(t, listener, way.dialer(inside))
}

// throughSocket sends CONNECT through a way out.
func throughSocket(t *testing.T, socket, address string) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	return sent(t, conn, connect(address))
}

func TestWhatIsInsideIsReachedThroughANode(t *testing.T) {
	a := cluster(t)
	server, _ := echo(t, "1")
	conn, response := throughSocket(t, leaving(t, a, proxying(t, a, loopback), loopback), server)
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	talks(t, conn)
}

func TestWhatIsNotInsideIsReachedWithoutANode(t *testing.T) {
	server, _ := echo(t, "1")
	noNode, stop := echo(t, "2")
	stop()
	conn, response := throughSocket(t, leaving(t, cluster(t), noNode, "10.244.0.0/16"), server)
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	talks(t, conn)
}

func TestANodeThatIsGoneIsPassedOver(t *testing.T) {
	a := cluster(t)
	server, _ := echo(t, "1")
	node := proxying(t, a, loopback)
	// As an address does behind which every other connection finds a node that has just ended.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	var connections atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if connections.Add(1)%2 == 1 {
				conn.Close()
				continue
			}
			onward, err := net.Dial("tcp", node)
			if err != nil {
				conn.Close()
				continue
			}
			go join(conn, onward)
		}
	}()
	conn, response := throughSocket(t, leaving(t, a, listener.Addr().String(), loopback), server)
	if response.StatusCode != http.StatusOK || connections.Load() != 2 {
		t.Fatal(response.Status, connections.Load())
	}
	talks(t, conn)
}

func TestANodesWordIsHandedOnAtOnce(t *testing.T) {
	a := cluster(t)
	gone, stop := echo(t, "1")
	stop()
	_, response := throughSocket(t, leaving(t, a, proxying(t, a, loopback), loopback), gone)
	if response.StatusCode != http.StatusBadGateway || !strings.Contains(response.Status, "connection refused") ||
		strings.Contains(response.Status, "no node") {
		t.Errorf("answered with %v", response.Status)
	}
}

func TestWithoutANodeThatIsSaid(t *testing.T) {
	a := cluster(t)
	server, _ := echo(t, "1")
	noNode, stop := echo(t, "2")
	stop()
	_, response := throughSocket(t, leaving(t, a, noNode, loopback), server)
	if response.StatusCode != http.StatusBadGateway || !strings.Contains(response.Status, "no node of the cluster answers") {
		t.Errorf("answered with %v", response.Status)
	}
}

func TestAProxyThatIsNotTheClustersIsNotUsed(t *testing.T) {
	a, other := cluster(t), cluster(t)
	server, _ := echo(t, "1")
	_, response := throughSocket(t, leaving(t, a, proxying(t, other, loopback), loopback), server)
	if response.StatusCode != http.StatusBadGateway || !strings.Contains(response.Status, "certificate") {
		t.Errorf("answered with %v", response.Status)
	}
}
