package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// Ready is who says so with a certificate of the authority that is trusted, and nobody else.
func TestAnswers(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := clientOf(ca)
	if err != nil {
		t.Fatal(err)
	}
	if answers(t.Context(), client, server.URL) {
		t.Error("503 counts as ready")
	}
	status = http.StatusOK
	if !answers(t.Context(), client, server.URL) {
		t.Error("200 does not count as ready")
	}
	if answers(t.Context(), &http.Client{}, server.URL) {
		t.Error("a certificate of an unknown authority is trusted")
	}
}

func TestAnAuthorityThatIsNoneIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := clientOf(path); err == nil {
		t.Error("a file without a certificate is taken as an authority")
	}
}
