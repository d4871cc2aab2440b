package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The part of a Lease that is used here:
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/
type leaseObject struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Metadata   leaseMetadata `json:"metadata"`
	Spec       leaseSpec     `json:"spec"`
}

type leaseMetadata struct {
	Name            string `json:"name"`
	Namespace       string `json:"namespace"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

type leaseSpec struct {
	HolderIdentity       string `json:"holderIdentity"`
	LeaseDurationSeconds int    `json:"leaseDurationSeconds"`
	RenewTime            string `json:"renewTime"`
}

const leaseTime = "2006-01-02T15:04:05.000000Z07:00" // Kubernetes' MicroTime

// lease is one Lease, read and written by one API server.
type lease struct {
	client          *http.Client
	all             string // URL of its namespace's
	namespace, name string
}

func newLease(client *http.Client, server, path string) (*lease, error) {
	namespace, name, found := strings.Cut(path, "/")
	if !found || name == "" || server == "" {
		return nil, fmt.Errorf("not a server and namespace/name of a Lease: %q and %q", server, path)
	}
	all := fmt.Sprintf("%s/apis/coordination.k8s.io/v1/namespaces/%s/leases", server, namespace)
	return &lease{client, all, namespace, name}, nil
}

// leaseClient reads its certificate again for each connection; one that is refused is not used again.
func leaseClient(ca, certificate, key string) (*http.Client, error) {
	pool, err := certificatesOf(ca)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    pool,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certificate, key)
			return &pair, err
		},
	}}}, nil
}

func (l *lease) get(ctx context.Context) (claim, error) {
	return l.ask(ctx, http.MethodGet, l.all+"/"+l.name, nil)
}

func (l *lease) put(ctx context.Context, holder, version string) (claim, error) {
	object := leaseObject{
		APIVersion: "coordination.k8s.io/v1",
		Kind:       "Lease",
		Metadata:   leaseMetadata{l.name, l.namespace, version},
		Spec:       leaseSpec{holder, int(claimLasts.Seconds()), time.Now().UTC().Format(leaseTime)},
	}
	if version == "" {
		return l.ask(ctx, http.MethodPost, l.all, &object)
	}
	return l.ask(ctx, http.MethodPut, l.all+"/"+l.name, &object)
}

func (l *lease) ask(ctx context.Context, method, url string, object *leaseObject) (claim, error) {
	var body io.Reader
	if object != nil {
		text, err := json.Marshal(object)
		if err != nil {
			return claim{}, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return claim{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		l.client.CloseIdleConnections()
		return claim{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return claim{}, err
	}
	if method == http.MethodGet && response.StatusCode == http.StatusNotFound {
		return claim{}, nil
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		l.client.CloseIdleConnections() // its certificate may have ended
		return claim{}, fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	var answer leaseObject
	if err := json.Unmarshal(text, &answer); err != nil {
		return claim{}, fmt.Errorf("%s %s: %w", method, url, err)
	}
	return claim{answer.Spec.HolderIdentity, answer.Metadata.ResourceVersion}, nil
}
