package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// onInterface is an address beside those that an interface has, with a lifetime that the kernel keeps: where its holder
// is stopped or killed, it goes by itself.
type onInterface struct {
	address [4]byte
	device  net.Interface
}

// newPlace finds the interface that has the address beside; neither needs to have been there at boot.
func newPlace(address, beside string) (*onInterface, error) {
	held, err := netip.ParseAddr(address)
	if err != nil || !held.Is4() {
		return nil, fmt.Errorf("not an IPv4 address: %q", address)
	}
	devices, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, device := range devices {
		networks, err := device.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, one := range networks {
			if network, ok := one.(*net.IPNet); ok && network.IP.String() == beside {
				return &onInterface{held.As4(), device}, nil
			}
		}
	}
	return nil, fmt.Errorf("no interface has the address %q", beside)
}

func (p *onInterface) take(lifetime time.Duration) error {
	flags := syscall.NLM_F_CREATE | syscall.NLM_F_REPLACE
	return p.change(syscall.RTM_NEWADDR, flags, uint32(lifetime/time.Second))
}

func (p *onInterface) drop() error {
	err := p.change(syscall.RTM_DELADDR, 0, 0)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil
	}
	return err
}

// change asks the kernel for one change of the address, in whole seconds of life: rtnetlink(7),
// https://www.kernel.org/doc/html/latest/userspace-api/netlink/intro.html
func (p *onInterface) change(kind, flags int, lifetime uint32) error {
	socket, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	message := p.message(kind, flags, lifetime)
	if err := syscall.Sendto(socket, message, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, syscall.Getpagesize())
	size, _, err := syscall.Recvfrom(socket, answer, 0)
	if err != nil {
		return err
	}
	return acknowledged(answer[:size])
}

func (p *onInterface) message(kind, flags int, lifetime uint32) []byte {
	native := binary.NativeEndian
	ask := flags | syscall.NLM_F_REQUEST | syscall.NLM_F_ACK
	message := make([]byte, 4, 64) // its length comes last
	message = native.AppendUint16(message, uint16(kind))
	message = native.AppendUint16(message, uint16(ask))
	message = native.AppendUint32(message, 1) // sequence
	message = native.AppendUint32(message, 0) // to the kernel
	message = append(message, syscall.AF_INET, 32, 0, syscall.RT_SCOPE_UNIVERSE)
	message = native.AppendUint32(message, uint32(p.device.Index))
	for _, attribute := range []uint16{syscall.IFA_LOCAL, syscall.IFA_ADDRESS} {
		message = native.AppendUint16(message, 4+4)
		message = native.AppendUint16(message, attribute)
		message = append(message, p.address[:]...)
	}
	if kind == syscall.RTM_NEWADDR {
		message = native.AppendUint16(message, 4+16)
		message = native.AppendUint16(message, syscall.IFA_CACHEINFO)
		message = native.AppendUint32(message, lifetime) // preferred
		message = native.AppendUint32(message, lifetime) // valid
		message = native.AppendUint64(message, 0)        // when it was made and changed: the kernel's to say
	}
	native.PutUint32(message, uint32(len(message)))
	return message
}

func acknowledged(answer []byte) error {
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return err
	}
	if len(messages) != 1 || messages[0].Header.Type != syscall.NLMSG_ERROR || len(messages[0].Data) < 4 {
		return errors.New("the kernel does not acknowledge the change of an address")
	}
	if code := int32(binary.NativeEndian.Uint32(messages[0].Data)); code != 0 {
		return syscall.Errno(-code)
	}
	return nil
}

const etherTypeARP = 0x0806

// announce tells the network which card has the address now: https://www.rfc-editor.org/rfc/rfc5227#section-2.3
func (p *onInterface) announce() error {
	if len(p.device.HardwareAddr) != 6 {
		return nil // nobody asks for addresses there
	}
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	to := &syscall.SockaddrLinklayer{
		Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, etherTypeARP)), // in network order
		Ifindex:  p.device.Index,
		Halen:    6,
		Addr:     [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	}
	return syscall.Sendto(socket, p.announcement(), 0, to)
}

// announcement is a request for the address by the one who has it: https://www.rfc-editor.org/rfc/rfc826
func (p *onInterface) announcement() []byte {
	packet := []byte{0, 1, 8, 0, 6, 4, 0, 1} // Ethernet, IPv4, the lengths of both, a request
	packet = append(packet, p.device.HardwareAddr...)
	packet = append(packet, p.address[:]...)
	packet = append(packet, 0, 0, 0, 0, 0, 0)
	return append(packet, p.address[:]...)
}
