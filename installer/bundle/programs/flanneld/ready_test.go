package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// proxy stands for kube-proxy on this machine; skipped where something else has its port.
func proxy(t *testing.T, status int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:"+proxyHealthPort)
	if err != nil {
		t.Skip(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

func told(t *testing.T, address string) (int, string) {
	t.Helper()
	answer, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestANodeIsReadyOnceItHasJoinedAndItsProxyIsWell(t *testing.T) {
	for _, c := range []struct {
		name   string
		joined bool
		proxy  int
		want   int
	}{
		{"not joined yet", false, http.StatusOK, http.StatusServiceUnavailable},
		{"joined, and kube-proxy is unwell", true, http.StatusServiceUnavailable, http.StatusServiceUnavailable},
		{"joined and well", true, http.StatusOK, http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			proxy(t, c.proxy)
			address := free(t)
			state := &readiness{}
			state.joined.Store(c.joined)
			if err := state.serve(t.Context(), address, ""); err != nil {
				t.Fatal(err)
			}
			if status, text := told(t, address); status != c.want {
				t.Errorf("%d %s", status, text)
			}
		})
	}
}

func TestWhatDoesNotAnswerIsAsked(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if answers(ctx, "192.0.2.1", 0) == nil {
		t.Error("an address that nobody has answered")
	}
}

func TestItTellsTheAuthoritiesThatTheNodeWasStartedWith(t *testing.T) {
	address, file := free(t), filepath.Join(t.TempDir(), "authorities")
	if err := (&readiness{}).serve(t.Context(), address, file); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		answer, err := http.Get("http://" + address + "/authorities")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != want || (want == http.StatusOK && string(text) != "these") {
			t.Errorf("%d %s", answer.StatusCode, text)
		}
		if err := os.WriteFile(file, []byte("these"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoAddressNoAnswer(t *testing.T) {
	if err := (&readiness{}).serve(t.Context(), "", ""); err != nil {
		t.Error(err)
	}
}
