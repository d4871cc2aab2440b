package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// leaseServer answers for one Lease as an API server does: nothing is written over what the writer has not seen.
type leaseServer struct {
	t      *testing.T
	object *leaseObject
	fail   int // a status to answer with
}

func (s *leaseServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const all = "/apis/coordination.k8s.io/v1/namespaces/moorage-system/leases"
	if s.fail != 0 {
		w.WriteHeader(s.fail)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET " + all + "/address-hall":
		if s.object == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
	case "POST " + all, "PUT " + all + "/address-hall":
		var got leaseObject
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			s.t.Error(err)
		}
		if (r.Method == http.MethodPost) != (s.object == nil) ||
			s.object != nil && got.Metadata.ResourceVersion != s.object.Metadata.ResourceVersion {
			w.WriteHeader(http.StatusConflict)
			return
		}
		if _, err := time.Parse(time.RFC3339Nano, got.Spec.RenewTime); err != nil || got.Spec.LeaseDurationSeconds != 9 {
			s.t.Errorf("%+v: %v", got.Spec, err)
		}
		got.Metadata.ResourceVersion += "1"
		s.object = &got
	default:
		s.t.Errorf("asked for %s %s", r.Method, r.URL.Path)
	}
	if err := json.NewEncoder(w).Encode(s.object); err != nil {
		s.t.Error(err)
	}
}

// A Lease is made, renewed, and not written over what another wrote.
func TestLease(t *testing.T) {
	state := &leaseServer{t: t}
	server := httptest.NewServer(state)
	defer server.Close()
	l, err := newLease(server.Client(), server.URL, "moorage-system/address-hall")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if found, err := l.get(ctx); err != nil || found != (claim{}) {
		t.Fatalf("%v %v", found, err)
	}
	made, err := l.put(ctx, "manager-1", "")
	if err != nil || made != (claim{"manager-1", "1"}) {
		t.Fatalf("%v %v", made, err)
	}
	if _, err := l.put(ctx, "manager-2", ""); err == nil || !strings.Contains(err.Error(), "409") {
		t.Fatalf("a second one was made: %v", err)
	}
	renewed, err := l.put(ctx, "manager-1", made.version)
	if err != nil || renewed != (claim{"manager-1", "11"}) {
		t.Fatalf("%v %v", renewed, err)
	}
	if _, err := l.put(ctx, "manager-2", made.version); err == nil || !strings.Contains(err.Error(), "409") {
		t.Fatalf("written over what was not seen: %v", err)
	}
	state.fail = http.StatusForbidden
	if _, err := l.get(ctx); err == nil || !strings.Contains(err.Error(), "403") {
		t.Fatalf("%v", err)
	}
}

// What is no Lease's path, or no server, is told at once.
func TestLeasePath(t *testing.T) {
	for _, given := range [][2]string{{"https://127.0.0.1:6443", "address"}, {"https://127.0.0.1:6443", "a/"}, {"", "a/b"}} {
		if _, err := newLease(http.DefaultClient, given[0], given[1]); err == nil {
			t.Errorf("%v was taken", given)
		}
	}
}
