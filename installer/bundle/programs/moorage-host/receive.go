package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// receiveCommand is for the first host of a region, which has nobody to fetch from: the installer sends it the files.
func receiveCommand(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("receive", flag.ExitOnError)
	store := flags.String("store", "/opt/moorage/store", "directory with a file for each sha256")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*store, 0o755); err != nil {
		return err
	}
	return receive(bufio.NewReaderSize(os.Stdin, 1<<20), *store)
}

// receive brings files into the store; each is a line "<sha256> <size> <from>", then its bytes from there on: those before
// were brought by a transfer that broke off. The input ends after the last.
func receive(source *bufio.Reader, store string) error {
	var syncing sync.WaitGroup
	defer syncing.Wait()
	kept := make(chan error, 1) // of the file before: it reaches the disk while the next one arrives
	kept <- nil
	for {
		a, err := announced(source)
		if errors.Is(err, io.EOF) {
			return <-kept
		} else if err != nil {
			return errors.Join(err, <-kept)
		}
		part, err := arrive(source, store, a)
		if err := errors.Join(err, <-kept); err != nil {
			return err
		}
		syncing.Go(func() { kept <- admit(part, store, a.artefact) })
	}
}

type arriving struct {
	artefact
	from int64
}

func announced(source *bufio.Reader) (arriving, error) {
	line, err := source.ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = io.ErrUnexpectedEOF
	}
	var a arriving
	if err != nil {
		return a, err
	}
	_, err = fmt.Sscanf(line, "%s %d %d\n", &a.SHA256, &a.Size, &a.from)
	if err != nil || !sha256Form.MatchString(a.SHA256) || a.from < 0 || a.from > a.Size {
		return a, fmt.Errorf("%q announces no file", line)
	}
	return a, nil
}

// arrive writes the bytes of a file beside the store's own, and compares the whole with its digest.
func arrive(source io.Reader, store string, a arriving) (*os.File, error) {
	part, err := os.OpenFile(partOf(store, a.artefact), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	_, err = io.CopyN(sum, part, a.from)
	if err == nil {
		err = part.Truncate(a.from)
	}
	if err == nil {
		_, err = io.CopyN(io.MultiWriter(part, sum), source, a.Size-a.from)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = compare(a.artefact, sum, part.Name())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.SHA256[:12], errors.Join(err, part.Close()))
	}
	return part, nil
}

func partOf(store string, a artefact) string { return filepath.Join(store, a.SHA256+".part") }
