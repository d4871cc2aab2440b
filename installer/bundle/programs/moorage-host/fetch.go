package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	atOnce      = 4                      // files in flight; more only makes them wait for each other's disk
	tries       = 4                      // of each file, every time from the next source
	pauseStep   = 300 * time.Millisecond // longer with every try
	eventEvery  = 500 * time.Millisecond
	eventMark   = "\x1e" // record separator, RFC 7464: what the installer reads as an event, not as a log line
	idleTimeout = 30 * time.Second
)

func fetchCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fetch", flag.ExitOnError)
	from := flags.String("from", "", "URLs of servers, with commas between; none: only check and lay out what is here")
	store := flags.String("store", "/opt/moorage/store", "directory with a file for each sha256")
	releases := flags.String("releases", "/opt/moorage/releases", "directory that gets the release of hard links")
	file := flags.String("manifest", "", "the bundle's manifest")
	secretsFile := flags.String("secrets", "-", "file with token and certificate as JSON; - is standard input")
	if err := flags.Parse(args); err != nil {
		return err
	}
	m, err := readManifest(*file)
	if err != nil {
		return err
	}
	f := &fetcher{store: *store, events: os.Stdout}
	if *from != "" {
		secrets, err := readSecrets(*secretsFile)
		if err != nil {
			return err
		}
		if err := f.connect(strings.Split(*from, ","), secrets); err != nil {
			return err
		}
	}
	if err := f.all(ctx, m); err != nil {
		return err
	}
	return layOut(*store, *releases, m)
}

type fetcher struct {
	store   string
	sources []string
	token   string
	client  *http.Client
	events  io.Writer

	total int64
	done  atomic.Int64 // bytes that are here
}

// connect trusts exactly the certificate that the installer made for this transfer, whatever names it bears.
func (f *fetcher) connect(sources []string, secrets *transferSecrets) error {
	block, _ := pem.Decode([]byte(secrets.Certificate))
	if block == nil {
		return errors.New("secrets: the certificate is not PEM")
	}
	pinned := block.Bytes
	f.sources, f.token = sources, secrets.Token
	f.client = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost:   atOnce,
		ResponseHeaderTimeout: idleTimeout,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS13,
			InsecureSkipVerify: true, // replaced by the stricter check below
			VerifyConnection: func(state tls.ConnectionState) error {
				return verifyPinned(state.PeerCertificates, pinned)
			},
		},
	}}
	return nil
}

func verifyPinned(shown []*x509.Certificate, pinned []byte) error {
	if len(shown) == 0 || !bytes.Equal(shown[0].Raw, pinned) {
		return errors.New("the server shows another certificate than the one of this transfer")
	}
	return nil
}

// all brings every file of the manifest into the store, or says which could not be brought and why.
func (f *fetcher) all(ctx context.Context, m *manifest) error {
	if err := os.MkdirAll(f.store, 0o755); err != nil {
		return err
	}
	files := m.files()
	for _, a := range files {
		f.total += a.Size
	}
	reported, stop := context.WithCancel(ctx)
	defer stop()
	go f.report(reported)

	queue := make(chan int, len(files))
	for i := range files {
		queue <- i
	}
	close(queue)
	faults := make([]error, len(files))
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i := range queue {
				faults[i] = f.one(ctx, files[i], i)
			}
		})
	}
	workers.Wait()
	f.say()
	return errors.Join(faults...)
}

// one makes sure of a single file; turn spreads files over the sources.
func (f *fetcher) one(ctx context.Context, a artefact, turn int) error {
	here, err := intact(f.store, a)
	if err != nil {
		return err
	}
	if here {
		f.done.Add(a.Size)
		return nil
	}
	if len(f.sources) == 0 {
		return fmt.Errorf("%s (%s) is missing, and there is nowhere to get it from", a.Path, a.SHA256[:12])
	}
	for attempt := range tries {
		err = f.transfer(ctx, a, f.sources[(turn+attempt)%len(f.sources)])
		if err == nil || !sleep(ctx, time.Duration(attempt)*pauseStep) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a.Path, err)
	}
	return nil
}

// transfer gets a file, going on where an earlier try broke off; it enters the store only with the right digest.
func (f *fetcher) transfer(ctx context.Context, a artefact, source string) error {
	part, err := os.OpenFile(partOf(f.store, a), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer part.Close()
	sum := sha256.New()
	have, err := io.Copy(sum, part)
	if err != nil {
		return err
	}
	f.done.Add(have)
	if have, err = f.append(ctx, a, source, part, sum, have); err != nil {
		f.done.Add(-have)
		return err
	}
	if err := compare(a, sum, part.Name()); err != nil {
		f.done.Add(-have)
		return err
	}
	return admit(part, f.store, a)
}

// compare says whether a file arrived as it was sent; one that did not is removed.
func compare(a artefact, sum hash.Hash, path string) error {
	if got := hex.EncodeToString(sum.Sum(nil)); got != a.SHA256 {
		return errors.Join(fmt.Errorf("arrived with the digest %s", got), os.Remove(path))
	}
	return nil
}

// admit closes a file that is whole and right, and lets it into the store once it is on the disk.
func admit(part *os.File, store string, a artefact) error {
	if err := errors.Join(part.Chmod(0o555), part.Sync(), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), filepath.Join(store, a.SHA256))
}

// append writes what follows after have bytes, and returns how many there are then.
func (f *fetcher) append(ctx context.Context, a artefact, source string, part *os.File, sum hash.Hash, have int64) (int64, error) {
	if have >= a.Size {
		return have, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source+"/"+a.SHA256, nil)
	if err != nil {
		return have, err
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	if have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	response, err := f.client.Do(request)
	if err != nil {
		return have, err
	}
	defer response.Body.Close()
	if wanted := map[bool]int{true: http.StatusPartialContent, false: http.StatusOK}[have > 0]; response.StatusCode != wanted {
		return have, fmt.Errorf("%s answers %s", source, response.Status)
	}
	stalled := time.AfterFunc(idleTimeout, cancel)
	defer stalled.Stop()
	sink := io.MultiWriter(part, sum, writerFunc(func(n int) {
		stalled.Reset(idleTimeout)
		f.done.Add(int64(n))
	}))
	copied, err := io.Copy(sink, io.LimitReader(response.Body, a.Size-have))
	return have + copied, err
}

type writerFunc func(n int)

func (w writerFunc) Write(data []byte) (int, error) {
	w(len(data))
	return len(data), nil
}

func (f *fetcher) report(ctx context.Context) {
	for sleep(ctx, eventEvery) {
		f.say()
	}
}

func (f *fetcher) say() {
	event, err := json.Marshal(map[string]any{"event": "transfer", "done": f.done.Load(), "total": f.total})
	if err == nil {
		fmt.Fprintf(f.events, "%s%s\n", eventMark, event)
	}
}
