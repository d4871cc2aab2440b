package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:])
}

// newSecrets makes what the installer makes for one transfer.
func newSecrets(t *testing.T) *transferSecrets {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "transfer"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &transferSecrets{
		Token:       "token",
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
		Key:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}

// serving hands out the store and returns its URL.
func serving(t *testing.T, store string, secrets *transferSecrets) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	// Before its first request a server is not idle: it ends with the test.
	go func() { ended <- serveFiles(ctx, listener, store, secrets, time.Hour) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "https://" + listener.Addr().String()
}

// bundle is a store that has everything, and the manifest over it.
func bundle(t *testing.T, files map[string]string) (store string, m *manifest) {
	t.Helper()
	store = t.TempDir()
	m = &manifest{}
	for path, content := range files {
		digest := sum([]byte(content))
		if err := os.WriteFile(filepath.Join(store, digest), []byte(content), 0o555); err != nil {
			t.Fatal(err)
		}
		m.Artefacts = append(m.Artefacts, artefact{Path: path, SHA256: digest, Size: int64(len(content))})
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	m.digest, m.content = sum(text), text
	return store, m
}

func fetcherOf(t *testing.T, store string, sources []string, secrets *transferSecrets) *fetcher {
	t.Helper()
	f := &fetcher{store: store, events: io.Discard}
	if err := f.connect(sources, secrets); err != nil {
		t.Fatal(err)
	}
	return f
}

func content(t *testing.T, path string) string {
	t.Helper()
	found, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(found)
}

func TestAHostWithNothingGetsTheWholeRelease(t *testing.T) {
	secrets := newSecrets(t)
	full, m := bundle(t, map[string]string{"bin/etcd": "etcd", "bin/same": "etcd", "cni/bridge": "bridge"})
	host := t.TempDir()
	store, releases := filepath.Join(host, "store"), filepath.Join(host, "releases")
	if err := fetcherOf(t, store, []string{serving(t, full, secrets)}, secrets).all(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := layOut(store, releases, m); err != nil {
		t.Fatal(err)
	}
	for path, wanted := range map[string]string{"bin/etcd": "etcd", "bin/same": "etcd", "cni/bridge": "bridge"} {
		file := filepath.Join(releases, m.digest, path)
		if got := content(t, file); got != wanted {
			t.Errorf("%s has %q", path, got)
		}
		if info, _ := os.Stat(file); info.Mode().Perm() != 0o555 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
	}
	if got := sum([]byte(content(t, filepath.Join(releases, m.digest, "manifest.json")))); got != m.digest {
		t.Errorf("the manifest in the release has the digest %s", got)
	}
	entries, err := os.ReadDir(releases)
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the release there is something else: %v %v", entries, err)
	}
}

func TestATransferGoesOnWhereItBrokeOff(t *testing.T) {
	secrets := newSecrets(t)
	text := strings.Repeat("0123456789", 1000)
	full, m := bundle(t, map[string]string{"bin/etcd": text})
	store := t.TempDir()
	part := filepath.Join(store, m.Artefacts[0].SHA256+".part")
	if err := os.WriteFile(part, []byte(text[:6000]), 0o600); err != nil {
		t.Fatal(err)
	}
	// The server has the rest only: asked for all of it, it would give something else.
	holed := append(bytes.Repeat([]byte{0}, 6000), text[6000:]...)
	file := filepath.Join(full, m.Artefacts[0].SHA256)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, holed, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := fetcherOf(t, store, []string{serving(t, full, secrets)}, secrets).all(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if content(t, filepath.Join(store, m.Artefacts[0].SHA256)) != text {
		t.Error("the file is not what was asked for")
	}
}

func TestAFileWithAnotherDigestIsRefused(t *testing.T) {
	secrets := newSecrets(t)
	full, m := bundle(t, map[string]string{"bin/etcd": "right"})
	file := filepath.Join(full, m.Artefacts[0].SHA256)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("wrong"), 0o555); err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	err := fetcherOf(t, store, []string{serving(t, full, secrets)}, secrets).all(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "bin/etcd: arrived with the digest "+sum([]byte("wrong"))) {
		t.Errorf("the error is %v", err)
	}
	if entries, _ := os.ReadDir(store); len(entries) != 0 {
		t.Errorf("the store has %v", entries)
	}
}

func TestAnotherSourceIsAskedWhereOneHasNothing(t *testing.T) {
	secrets := newSecrets(t)
	full, m := bundle(t, map[string]string{"bin/etcd": "etcd", "bin/ctr": "ctr", "cni/bridge": "bridge"})
	sources := []string{serving(t, t.TempDir(), secrets), serving(t, full, secrets)}
	store := t.TempDir()
	if err := fetcherOf(t, store, sources, secrets).all(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func TestADamagedFileIsBroughtAgainAndLinkedAnew(t *testing.T) {
	secrets := newSecrets(t)
	full, m := bundle(t, map[string]string{"bin/etcd": "right"})
	host := t.TempDir()
	store, releases := filepath.Join(host, "store"), filepath.Join(host, "releases")
	f := fetcherOf(t, store, []string{serving(t, full, secrets)}, secrets)
	bring := func() {
		t.Helper()
		if err := f.all(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if err := layOut(store, releases, m); err != nil {
			t.Fatal(err)
		}
	}
	bring()
	linked := filepath.Join(releases, m.digest, "bin/etcd")
	if err := os.Chmod(linked, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(linked, []byte("wrong"), 0o555); err != nil { // the same file as in the store, the same size
		t.Fatal(err)
	}
	bring()
	if got := content(t, linked); got != "right" {
		t.Errorf("the release has %q", got)
	}
}

func TestWhoDoesNotKnowTheTokenGetsNothing(t *testing.T) {
	secrets := newSecrets(t)
	full, m := bundle(t, map[string]string{"bin/etcd": "etcd"})
	stranger := *secrets
	stranger.Token = "guess"
	err := fetcherOf(t, t.TempDir(), []string{serving(t, full, secrets)}, &stranger).all(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("the error is %v", err)
	}
}

func TestAServerWithAnotherCertificateIsNotAsked(t *testing.T) {
	mine, other := newSecrets(t), newSecrets(t)
	full, m := bundle(t, map[string]string{"bin/etcd": "etcd"})
	err := fetcherOf(t, t.TempDir(), []string{serving(t, full, other)}, mine).all(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("the error is %v", err)
	}
}

func TestAServerEndsWhenNobodyAsks(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := serveFiles(t.Context(), listener, t.TempDir(), newSecrets(t), time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestWithoutASourceWhatIsMissingIsNamed(t *testing.T) {
	_, m := bundle(t, map[string]string{"bin/etcd": "etcd"})
	err := (&fetcher{store: t.TempDir(), events: io.Discard}).all(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "bin/etcd") || !strings.Contains(err.Error(), "missing") {
		t.Errorf("the error is %v", err)
	}
}

func TestAManifestThatLeavesItsDirectoryIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "manifest.json")
	text := `{"artefacts": [{"path": "../etc/passwd", "sha256": "` + sum(nil) + `", "size": 0}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readManifest(file); err == nil || !strings.Contains(err.Error(), "refused the entry") {
		t.Errorf("the error is %v", err)
	}
}
