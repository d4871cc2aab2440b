package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An announcement asks for the address in the name of the one who has it.
func TestAnnouncement(t *testing.T) {
	card := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	p := &onInterface{[4]byte{192, 0, 2, 10}, net.Interface{HardwareAddr: card}}
	want := []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 192, 0, 2, 10}
	if got := p.announcement(); !bytes.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// What the kernel is asked is as long as it says, and names the interface, the address and its life.
func TestAddressMessage(t *testing.T) {
	p := &onInterface{[4]byte{192, 0, 2, 10}, net.Interface{Index: 3}}
	for kind, size := range map[int]int{syscall.RTM_NEWADDR: 60, syscall.RTM_DELADDR: 40} {
		messages, err := syscall.ParseNetlinkMessage(p.message(kind, 0, 7))
		if err != nil || len(messages) != 1 {
			t.Fatalf("%v %v", messages, err)
		}
		message := messages[0]
		if int(message.Header.Type) != kind || int(message.Header.Len) != size {
			t.Errorf("%+v", message.Header)
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&message)
		if err != nil {
			t.Fatal(err)
		}
		found := map[uint16][]byte{}
		for _, attribute := range attributes {
			found[attribute.Attr.Type] = attribute.Value
		}
		if !bytes.Equal(found[syscall.IFA_LOCAL], p.address[:]) || !bytes.Equal(found[syscall.IFA_ADDRESS], p.address[:]) {
			t.Errorf("%v", found)
		}
		if life := found[syscall.IFA_CACHEINFO]; kind == syscall.RTM_NEWADDR && binary.NativeEndian.Uint32(life[4:]) != 7 {
			t.Errorf("%v", life)
		}
	}
}

// What is no address, and an interface that is not there, are told.
func TestPlaceOfAnAddress(t *testing.T) {
	for given, want := range map[[2]string]string{
		{"fd00::1", "127.0.0.1"}:        "not an IPv4 address",
		{"name", "127.0.0.1"}:           "not an IPv4 address",
		{"192.0.2.10", "203.0.113.199"}: "no interface has",
	} {
		if _, err := newPlace(given[0], given[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", given, err)
		}
	}
}

// On the loopback of a network namespace of its own: taken, renewed, dropped twice, and gone by itself when its time
// is over.
func TestAddressOnAnInterface(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root changes addresses")
	}
	done := make(chan struct{})
	go func() { // its thread is not used again: it is in another network
		defer close(done)
		inOwnNetwork(t)
	}()
	<-done
}

func inOwnNetwork(t *testing.T) {
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Errorf("a network of its own: %v", err)
		return
	}
	p := &onInterface{[4]byte{192, 0, 2, 10}, net.Interface{Index: 1, Name: "lo"}}
	for _, step := range []struct {
		what string
		do   func() error
		has  bool
	}{
		{"take", func() error { return p.take(7 * time.Second) }, true},
		{"renew", func() error { return p.take(7 * time.Second) }, true},
		{"drop", p.drop, false},
		{"drop what is not there", p.drop, false},
		{"take for a second", func() error { return p.take(time.Second) }, true},
		{"wait", func() error { time.Sleep(2500 * time.Millisecond); return nil }, false},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.what, err)
		}
		if got := hasAddress(t, "192.0.2.10/32"); got != step.has {
			t.Errorf("%s: the address is there: %v", step.what, got)
		}
	}
}

func hasAddress(t *testing.T, address string) bool {
	device, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Error(err)
		return false
	}
	networks, err := device.Addrs()
	if err != nil {
		t.Error(err)
	}
	return slices.ContainsFunc(networks, func(one net.Addr) bool { return one.String() == address })
}
