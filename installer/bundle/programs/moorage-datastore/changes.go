package main

import (
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// What etcd takes in one transaction, by default: 128 operations, 1.5 MiB. A single value may be nearly as large.
const (
	batchKeys  = 100
	batchBytes = 512 << 10
)

// change is a key's new value, or its end.
type change struct {
	key   string
	value []byte
	lease clientv3.LeaseID
	gone  bool
}

// last returns what events left behind, one change for each key: nobody sees the destination meanwhile.
func last(events []*clientv3.Event) []change {
	at := make(map[string]int, len(events))
	var changes []change
	for _, event := range events {
		one := change{
			key:   string(event.Kv.Key),
			value: event.Kv.Value,
			lease: clientv3.LeaseID(event.Kv.Lease),
			gone:  event.Type == mvccpb.DELETE,
		}
		if i, known := at[one.key]; known {
			changes[i] = one
			continue
		}
		at[one.key] = len(changes)
		changes = append(changes, one)
	}
	return changes
}

// batches splits changes into what fits a transaction.
func batches(changes []change) [][]change {
	var split [][]change
	start, size := 0, 0
	for i, one := range changes {
		bytes := len(one.key) + len(one.value)
		if i > start && (i-start == batchKeys || size+bytes > batchBytes) {
			split = append(split, changes[start:i])
			start, size = i, 0
		}
		size += bytes
	}
	if start < len(changes) {
		split = append(split, changes[start:])
	}
	return split
}
