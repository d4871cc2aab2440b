package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// A key of nobody's, written only for the revision that each write makes.
	raiseKey = "/moorage/revision"
	// What others may write to the source between a look and the end.
	margin = 1000
	// Together at most 4,000 a second: in the five minutes for which etcd keeps history that makes some 150 MB, well
	// below the smallest sensible quota, and leaves other clusters of the destination most of its time.
	raiseAtOnce = 2000
	raiseEvery  = 500 * time.Millisecond
	raiseHands  = 64
)

// raise keeps the destination's revision beyond the source's.
//
// Revisions are what clients of the API know as resourceVersion. One who saw 5,000 and watches from there would be told
// nothing by an etcd that is at 300 until that is at 5,001, and never learn what it missed. An etcd that is beyond says
// that 5,000 is too old, or tells all since. A revision cannot be set in an etcd that runs, only written.
type raise struct {
	from, to *clientv3.Client
	gap      atomic.Int64 // as of the last look
}

// follow raises and goes on to look until the context ends.
func (r *raise) follow(ctx context.Context) error {
	for {
		if err := r.step(ctx, margin); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(raiseEvery):
		}
	}
}

// finish raises what is missing still, now that nobody reads the destination yet, and leaves no trace of it.
func (r *raise) finish(ctx context.Context) error {
	for {
		if err := r.step(ctx, 1); err != nil {
			return err
		}
		if r.gap.Load() <= 0 {
			break
		}
	}
	if _, err := r.to.Delete(ctx, raiseKey); err != nil {
		return fmt.Errorf("remove %s: %w", raiseKey, err)
	}
	return nil
}

// step looks how much is missing until the destination is ahead by so much, and writes some of it.
func (r *raise) step(ctx context.Context, ahead int64) error {
	source, err := revision(ctx, r.from)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	destination, err := revision(ctx, r.to)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	r.gap.Store(source + ahead - destination)
	return r.write(ctx, min(r.gap.Load(), raiseAtOnce))
}

func (r *raise) write(ctx context.Context, count int64) error {
	var left atomic.Int64
	left.Store(count)
	var hands sync.WaitGroup
	errs := make(chan error, raiseHands)
	for range min(count, raiseHands) {
		hands.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := r.to.Put(ctx, raiseKey, ""); err != nil {
					errs <- fmt.Errorf("raise the revision: %w", err)
					return
				}
			}
		})
	}
	hands.Wait()
	close(errs)
	return <-errs
}

func revision(ctx context.Context, etcd *clientv3.Client) (int64, error) {
	found, err := etcd.Get(ctx, raiseKey, clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("ask for the revision: %w", err)
	}
	return found.Header.Revision, nil
}
