package main

import (
	"fmt"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func put(key, value string) *clientv3.Event {
	return &clientv3.Event{Type: mvccpb.PUT, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value)}}
}

func gone(key string) *clientv3.Event {
	return &clientv3.Event{Type: mvccpb.DELETE, Kv: &mvccpb.KeyValue{Key: []byte(key)}}
}

// Of many events of a key only the last is carried over: a transaction takes no key twice.
func TestLast(t *testing.T) {
	changes := last([]*clientv3.Event{put("a", "1"), put("b", "1"), put("a", "2"), gone("b"), put("c", "1"), gone("a"), put("a", "3")})
	var told []string
	for _, one := range changes {
		told = append(told, fmt.Sprintf("%s=%s gone=%t", one.key, one.value, one.gone))
	}
	wanted := "a=3 gone=false, b= gone=true, c=1 gone=false"
	if got := strings.Join(told, ", "); got != wanted {
		t.Fatalf("got %s, wanted %s", got, wanted)
	}
}

// No batch is larger than a transaction may be, but for a value that is as large by itself; none is empty, none is lost.
func TestBatches(t *testing.T) {
	for _, one := range []struct {
		sizes  []int
		wanted []int
	}{
		{nil, nil},
		{[]int{10}, []int{1}},
		{[]int{1 << 20}, []int{1}},
		{[]int{10, 1 << 20, 10}, []int{1, 1, 1}},
		{[]int{200 << 10, 200 << 10, 200 << 10}, []int{2, 1}},
		{make([]int, 250), []int{100, 100, 50}},
	} {
		var changes []change
		for _, size := range one.sizes {
			changes = append(changes, change{value: make([]byte, size)})
		}
		var got []int
		for _, batch := range batches(changes) {
			got = append(got, len(batch))
		}
		if fmt.Sprint(got) != fmt.Sprint(one.wanted) {
			t.Errorf("%v: got %v, wanted %v", one.sizes, got, one.wanted)
		}
	}
}

// Whoever starts us tells when to finish; when it is gone before that, we end.
func TestFinishLine(t *testing.T) {
	ended := make(chan error, 1)
	<-finishLine(strings.NewReader("finish\n"), func(error) { t.Error("it ended everything") })
	finishLine(strings.NewReader("something\n"), func(err error) { ended <- err })
	if err := <-ended; err == nil {
		t.Error("there is no reason")
	}
}
