// flanneld: the pod network between nodes. flannel's VXLAN and WireGuard backends, Kubernetes subnet manager and rules,
// started from one configuration file, on a host and inside a node pod alike.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	_ "github.com/flannel-io/flannel/pkg/backend/wireguard"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// annotationPrefix is flannel's own, so that its documentation and tools apply.
const annotationPrefix = "flannel.alpha.coreos.com"

type options struct {
	config, kubeconfig, nodeName, publicIP, iface string
	masquerade                                    bool
	readyAddress, authorities                     string
}

func main() {
	var opts options
	flag.StringVar(&opts.config, "config", "/etc/moorage/node/flannel.json", "network configuration, as flannel's net-conf.json")
	flag.StringVar(&opts.kubeconfig, "kubeconfig", "", "how to reach the API server")
	flag.StringVar(&opts.nodeName, "node-name", "", "name of this node in the API")
	flag.StringVar(&opts.publicIP, "public-ip", "", "address of this node among the nodes; the default route's if empty")
	flag.StringVar(&opts.iface, "iface", "", "interface towards the other nodes; the one with the public IP if empty")
	flag.BoolVar(&opts.masquerade, "masquerade", true, "what leaves the pod network takes the node's address")
	flag.StringVar(&opts.readyAddress, "ready-address", "", "where /readyz tells whether connections may be led to this node")
	flag.StringVar(&opts.authorities, "authorities", "", "a file whose content /authorities tells, at the same address")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil && !errors.Is(err, context.Canceled) {
		klog.Errorf("flanneld: %v", err)
		os.Exit(1)
	}
}

// run keeps the network up until ctx ends.
func run(ctx context.Context, opts options) error {
	state := &readiness{}
	if err := state.serve(ctx, opts.readyAddress, opts.authorities); err != nil {
		return err
	}
	if err := waitForPodRange(ctx, opts); err != nil {
		return err
	}
	if err := os.Setenv("NODE_NAME", opts.nodeName); err != nil { // how the subnet manager is told
		return err
	}
	manager, err := kube.NewSubnetManager(ctx, "", opts.kubeconfig, annotationPrefix, opts.config, false)
	if err != nil {
		return fmt.Errorf("watch nodes: %w", err)
	}
	config, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("read %s: %w", opts.config, err)
	}
	external, err := externalInterface(config, opts)
	if err != nil {
		return fmt.Errorf("find the interface towards the other nodes: %w", err)
	}
	kind, err := backend.NewManager(ctx, manager, external).GetBackend(config.BackendType)
	if err != nil {
		return fmt.Errorf("backend %s: %w", config.BackendType, err)
	}
	var running sync.WaitGroup
	network, err := kind.RegisterNetwork(ctx, &running, config)
	if err != nil {
		return fmt.Errorf("register with the network: %w", err)
	}
	if err := setRules(ctx, config, network, opts); err != nil {
		return err
	}
	klog.Infof("pod range %s over %s", network.Lease().Subnet, external.Iface.Name)
	if opts.readyAddress != "" {
		go state.join(ctx, opts)
	}
	network.Run(ctx)
	running.Wait()
	return ctx.Err()
}

// waitForPodRange returns once the node is registered and has a pod range: looked at often, since pods wait for it.
func waitForPodRange(ctx context.Context, opts options) error {
	client, err := clientOf(opts)
	if err != nil {
		return err
	}
	var last string
	for {
		node, err := client.CoreV1().Nodes().Get(ctx, opts.nodeName, metav1.GetOptions{})
		reason := fmt.Sprintf("node %s has no pod range yet", opts.nodeName)
		if err != nil {
			reason = err.Error()
		} else if node.Spec.PodCIDR != "" {
			return nil
		}
		if reason != last {
			klog.Infof("waiting: %s", reason)
			last = reason
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func clientOf(opts options) (*kubernetes.Clientset, error) {
	rest, err := clientcmd.BuildConfigFromFlags("", opts.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", opts.kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", opts.kubeconfig, err)
	}
	return client, nil
}

func externalInterface(config *subnet.Config, opts options) (*backend.ExternalInterface, error) {
	family, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return nil, err
	}
	name := opts.iface
	if name == "" {
		name = opts.publicIP
	}
	return ipmatch.LookupExtIface(name, "", "", family, ipmatch.PublicIPOpts{PublicIP: opts.publicIP})
}

// noResync: flannel repeats its rules with iptables only; with nftables they sit in tables that nobody else touches.
const noResync = 0

func setRules(ctx context.Context, config *subnet.Config, network backend.Network, opts options) error {
	rules := &nftables.NFTablesManager{}
	if err := rules.Init(ctx); err != nil {
		return fmt.Errorf("prepare nftables: %w", err)
	}
	rules.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, noResync)
	if !opts.masquerade {
		return nil
	}
	// Chains are flushed before they are filled, so nobody needs to know an earlier network's rules.
	var none ip.IP4Net
	var none6 ip.IP6Net
	err := rules.SetupAndEnsureMasqRules(ctx, config.Network, none, none, config.IPv6Network, none6, none6,
		network.Lease(), noResync, false)
	if err != nil {
		return fmt.Errorf("set the masquerade rules: %w", err)
	}
	return nil
}
