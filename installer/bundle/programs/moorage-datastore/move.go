package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	pageKeys     = 100 // of up to 1.5 MiB each
	lookEvery    = 500 * time.Millisecond
	finishAtMost = 30 * time.Second // for what is missing once nobody writes: the API stands still meanwhile
)

// move brings the keys below a prefix from one etcd to another.
type move struct {
	from, to *clientv3.Client
	prefix   string
	leases   leases
	tell     func(progress) error
	copied   int64 // keys, by now
}

// run returns once both etcds hold the same below the prefix, and the destination's revision is beyond the source's.
func (m *move) run(ctx context.Context, finish <-chan struct{}) error {
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	raised := &raise{from: m.from, to: m.to}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop(raised.follow(working))
	}()
	keys, err := m.copyAndFollow(working, raised, finish)
	if err != nil && context.Cause(working) != nil {
		err = context.Cause(working)
	}
	stop(nil)
	<-ended
	if err != nil {
		return err
	}
	if err := raised.finish(ctx); err != nil {
		return err
	}
	return m.tell(progress{Phase: "done", Keys: keys})
}

// copyAndFollow returns the number of keys, which are the same on both sides.
func (m *move) copyAndFollow(ctx context.Context, raised *raise, finish <-chan struct{}) (int64, error) {
	for {
		keys, err := m.attempt(ctx, raised, finish)
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return keys, err
		}
		// The history that was to be followed is gone; a slow copy of much data meets that. From the start, then.
	}
}

func (m *move) attempt(ctx context.Context, raised *raise, finish <-chan struct{}) (int64, error) {
	if _, err := m.to.Delete(ctx, m.prefix, clientv3.WithPrefix()); err != nil {
		return 0, fmt.Errorf("empty the destination: %w", err)
	}
	m.copied = 0
	revision, err := m.copyAll(ctx)
	if err != nil {
		return 0, err
	}
	return m.follow(ctx, revision, raised, finish)
}

// copyAll copies all keys as they were at one revision, and returns that.
func (m *move) copyAll(ctx context.Context) (int64, error) {
	revision, told := int64(0), time.Now()
	err := pages(ctx, m.prefix, func(key, end string) (*clientv3.GetResponse, error) {
		found, err := m.from.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(pageKeys), clientv3.WithRev(revision))
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		if revision == 0 {
			revision = found.Header.Revision
		}
		changes := make([]change, 0, len(found.Kvs))
		for _, pair := range found.Kvs {
			changes = append(changes, change{key: string(pair.Key), value: pair.Value, lease: clientv3.LeaseID(pair.Lease)})
		}
		if err := m.write(ctx, changes); err != nil {
			return nil, err
		}
		m.copied += int64(len(found.Kvs))
		if time.Since(told) > lookEvery {
			told = time.Now()
			return found, m.tell(progress{Phase: "copying", Keys: m.copied})
		}
		return found, nil
	})
	return revision, err
}

// follow carries changes over that come after a revision, until it is told to finish and nothing is missing.
func (m *move) follow(ctx context.Context, revision int64, raised *raise, finish <-chan struct{}) (int64, error) {
	options := []clientv3.OpOption{clientv3.WithPrefix(), clientv3.WithRev(revision + 1)}
	changes := m.from.Watch(clientv3.WithRequireLeader(ctx), m.prefix, options...)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var late <-chan time.Time
	for {
		select {
		case found, open := <-changes:
			if err := found.Err(); err != nil {
				return 0, err
			}
			if !open {
				return 0, errors.Join(errors.New("the source tells of no more changes"), ctx.Err())
			}
			if err := m.write(ctx, last(found.Events)); err != nil {
				return 0, err
			}
		case <-look.C:
			if err := m.tell(progress{Phase: "following", Keys: m.copied, Gap: raised.gap.Load()}); err != nil {
				return 0, err
			}
		case <-finish:
			finish = nil
			late = time.After(finishAtMost)
			look.Reset(lookEvery / 10)
		case <-late:
			return 0, fmt.Errorf("the two still differ %s after everybody was to stop writing", finishAtMost)
		}
		if late == nil || len(changes) > 0 {
			continue
		}
		keys, same, err := m.compare(ctx)
		if err != nil || same {
			return keys, err
		}
	}
}

// compare returns the number of keys, and whether all are the same on both sides.
func (m *move) compare(ctx context.Context) (int64, bool, error) {
	keys, same := int64(0), true
	err := pages(ctx, m.prefix, func(key, end string) (*clientv3.GetResponse, error) {
		options := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(pageKeys)}
		found, err := m.from.Get(ctx, key, options...)
		if err != nil {
			return nil, fmt.Errorf("read again: %w", err)
		}
		there, err := m.to.Get(ctx, key, options...)
		if err != nil {
			return nil, fmt.Errorf("read what was written: %w", err)
		}
		keys += int64(len(found.Kvs))
		if !equal(found.Kvs, there.Kvs) {
			same = false
			return nil, nil
		}
		return found, nil
	})
	return keys, same, err
}

// write makes changes, of which no two are of one key, in as many transactions as they need.
func (m *move) write(ctx context.Context, changes []change) error {
	for _, batch := range batches(changes) {
		operations := make([]clientv3.Op, 0, len(batch))
		for _, one := range batch {
			operation, err := m.operation(ctx, one)
			if err != nil {
				return err
			}
			operations = append(operations, operation)
		}
		if _, err := m.to.Txn(ctx).Then(operations...).Commit(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

func (m *move) operation(ctx context.Context, one change) (clientv3.Op, error) {
	if one.gone {
		return clientv3.OpDelete(one.key), nil
	}
	if one.lease == clientv3.NoLease {
		return clientv3.OpPut(one.key, string(one.value)), nil
	}
	lease, err := m.leases.counterpart(ctx, m.from, m.to, one.lease)
	if err != nil {
		return clientv3.Op{}, err
	}
	if lease == clientv3.NoLease { // it has ended, and what it held with it
		return clientv3.OpDelete(one.key), nil
	}
	return clientv3.OpPut(one.key, string(one.value), clientv3.WithLease(lease)), nil
}

// pages calls read for one page of keys after the other, until it returns none, or the last.
func pages(ctx context.Context, prefix string, read func(key, end string) (*clientv3.GetResponse, error)) error {
	key, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	for {
		page, err := read(key, end)
		if err != nil || page == nil || !page.More {
			return err
		}
		key = string(append(page.Kvs[len(page.Kvs)-1].Key, 0))
	}
}

func equal(some, others []*mvccpb.KeyValue) bool {
	if len(some) != len(others) {
		return false
	}
	for i, one := range some {
		if !bytes.Equal(one.Key, others[i].Key) || !bytes.Equal(one.Value, others[i].Value) {
			return false
		}
	}
	return true
}
