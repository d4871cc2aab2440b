package main

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A key must not end in the destination before it does in the source, or the two would never be the same.
const longer = 60 // seconds

// leases leads from leases of the source to those that stand for them in the destination. An API server never renews
// one: it takes leases for what is to end by itself, events before all.
type leases map[clientv3.LeaseID]clientv3.LeaseID

// counterpart returns the lease in the destination, made where there is none; NoLease once the source's has ended.
func (l leases) counterpart(ctx context.Context, from, to *clientv3.Client, lease clientv3.LeaseID) (clientv3.LeaseID, error) {
	if found, known := l[lease]; known {
		return found, nil
	}
	left, err := from.TimeToLive(ctx, lease)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) || (err == nil && left.TTL <= 0) {
		return clientv3.NoLease, nil
	}
	if err != nil {
		return clientv3.NoLease, fmt.Errorf("ask how long a lease lasts: %w", err)
	}
	made, err := to.Grant(ctx, left.TTL+longer)
	if err != nil {
		return clientv3.NoLease, fmt.Errorf("make a lease: %w", err)
	}
	l[lease] = made.ID
	return made.ID, nil
}
