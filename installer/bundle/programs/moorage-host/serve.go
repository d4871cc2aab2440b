package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// transferSecrets reach both ends by a file or standard input: argument lists can be read by everybody on a host.
type transferSecrets struct {
	Token       string `json:"token"`
	Certificate string `json:"certificate"` // PEM
	Key         string `json:"key"`         // PEM, for the server only
}

func readSecrets(file string) (*transferSecrets, error) {
	source := os.Stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		source = opened
	}
	content, err := io.ReadAll(source)
	if err != nil {
		return nil, err
	}
	var secrets transferSecrets
	if err := json.Unmarshal(content, &secrets); err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	if secrets.Token == "" || secrets.Certificate == "" {
		return nil, errors.New("secrets: token and certificate are needed")
	}
	return &secrets, nil
}

func serveCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", ":7444", "address to listen on")
	store := flags.String("store", "/opt/moorage/store", "directory with a file for each sha256")
	file := flags.String("secrets", "-", "file with token, certificate and key as JSON; - is standard input")
	idle := flags.Duration("idle-timeout", time.Minute, "end after so long without a request: nobody is left to ask")
	if err := flags.Parse(args); err != nil {
		return err
	}
	secrets, err := readSecrets(*file)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	log.Printf("serving %s on %s", *store, listener.Addr())
	return serveFiles(ctx, listener, *store, secrets, *idle)
}

func serveFiles(ctx context.Context, listener net.Listener, store string, secrets *transferSecrets, idle time.Duration) error {
	certificate, err := tls.X509KeyPair([]byte(secrets.Certificate), []byte(secrets.Key))
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	handler := &fileHandler{store: store, token: secrets.Token}
	handler.touch()
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // strangers' handshakes are not news
	}
	go func() {
		for handler.busyWithin(idle) && sleep(ctx, min(time.Second, idle)) {
		}
		server.Close()
	}()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// fileHandler answers GET /<sha256>, whole or a range, to those who know the token.
type fileHandler struct {
	store  string
	token  string
	active atomic.Int64
	last   atomic.Int64 // unix nanoseconds
}

func (h *fileHandler) touch() { h.last.Store(time.Now().UnixNano()) }

func (h *fileHandler) busyWithin(idle time.Duration) bool {
	return h.active.Load() > 0 || time.Since(time.Unix(0, h.last.Load())) < idle
}

func (h *fileHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Digests, because a comparison of equal lengths does not tell the length by its time.
	given, wanted := sha256.Sum256([]byte(r.Header.Get("Authorization"))), sha256.Sum256([]byte("Bearer "+h.token))
	if subtle.ConstantTimeCompare(given[:], wanted[:]) != 1 {
		http.Error(w, "the token is wrong", http.StatusUnauthorized)
		return
	}
	h.active.Add(1)
	defer func() { h.touch(); h.active.Add(-1) }()
	name := filepath.Base(r.URL.Path)
	if r.Method != http.MethodGet || !sha256Form.MatchString(name) {
		http.Error(w, "GET /<sha256> is all there is", http.StatusBadRequest)
		return
	}
	file, err := os.Open(filepath.Join(h.store, name))
	if err != nil {
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	defer file.Close()
	http.ServeContent(w, r, "", time.Time{}, file)
}
