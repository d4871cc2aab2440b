package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
)

const (
	proxyHealthPort = "10256"          // kube-proxy's, on every node at all addresses
	joinsWithin     = 10 * time.Second // then the others are to blame, and this node is as good as they are
	asksEvery       = 250 * time.Millisecond
	answersWithin   = time.Second
)

// readiness tells whether connections may be led to this node: it passes them on, and what it passes on arrives.
// kube-proxy alone is ready before there is a way to pods on other nodes.
type readiness struct {
	joined atomic.Bool
}

// serve answers at address, as long as ctx lasts; with no address it does nothing. The file authorities says which
// ones the node's processes were started with.
func (r *readiness) serve(ctx context.Context, address, authorities string) error {
	if address == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("answer at %s: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, request *http.Request) {
		if !r.joined.Load() {
			http.Error(w, "the way to the other nodes is not there yet", http.StatusServiceUnavailable)
			return
		}
		if err := answers(request.Context(), "127.0.0.1", http.StatusOK); err != nil {
			http.Error(w, "kube-proxy: "+err.Error(), http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /authorities", func(w http.ResponseWriter, _ *http.Request) {
		content, err := os.ReadFile(authorities)
		if err != nil {
			http.Error(w, "not all is started yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(content) // whoever asked is gone, otherwise
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: answersWithin}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			klog.Errorf("answering at %s: %v", address, err)
		}
	}()
	return nil
}

// join returns once some other node answers through the pod network, there is none, or it has taken too long.
func (r *readiness) join(ctx context.Context, opts options) {
	defer r.joined.Store(true)
	ctx, cancel := context.WithTimeout(ctx, joinsWithin)
	defer cancel()
	for {
		peers, err := peersOf(ctx, opts)
		if err == nil && len(peers) == 0 {
			return
		}
		for _, peer := range peers {
			if answers(ctx, peer, 0) == nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			klog.Warningf("no other node answers through the pod network")
			return
		case <-time.After(asksEvery):
		}
	}
}

// peersOf gives the addresses that the other nodes which are ready have in the pod network: the first of their ranges.
func peersOf(ctx context.Context, opts options) ([]string, error) {
	client, err := clientOf(opts)
	if err != nil {
		return nil, err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	var found []string
	for _, node := range nodes.Items {
		first, _, err := net.ParseCIDR(node.Spec.PodCIDR)
		if err == nil && node.Name != opts.nodeName && isReady(&node) {
			found = append(found, first.String())
		}
	}
	return found, nil
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// answers asks kube-proxy at an address how it is; any answer will do where want is 0.
func answers(ctx context.Context, address string, want int) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	url := "http://" + net.JoinHostPort(address, proxyHealthPort) + "/healthz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if want != 0 && answer.StatusCode != want {
		return fmt.Errorf("it says %s", answer.Status)
	}
	return nil
}
