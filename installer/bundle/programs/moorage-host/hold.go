package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"time"
)

// Who holds an address is told by a Lease, as Kubernetes' own leader election does it
// (https://pkg.go.dev/k8s.io/client-go/tools/leaderelection): others wait for claimLasts from when they saw the holder
// renew it last, and the holder lets go of the address before, counted from before it asked. The order of these, and
// what lies between them, is what keeps two hosts from having it at once.
const (
	turnEvery    = time.Second
	turnWithin   = 3 * time.Second
	addressLasts = 7 * time.Second // etcd needs up to 5 s for another leader; the kernel may count a second longer
	claimLasts   = 9 * time.Second
	leaveWithin  = 3 * time.Second
	announceFor  = 5  // turns after it was taken
	announceEach = 30 // turns, later on: a switch may have forgotten
)

// holdCommand has an address on this host while this host's API server can write who holds it.
func holdCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("hold", flag.ExitOnError)
	address := flags.String("address", "", "the IPv4 address that is held")
	beside := flags.String("beside", "", "an address of this host: the interface that has it gets the other one, too")
	name := flags.String("name", "", "who this host is among those that may hold it")
	server := flags.String("server", "", "https URL of this host's own API server, by which the address is claimed")
	others := flags.String("others", "", "https URL that leads to any API server, by which the claim is given up")
	lease := flags.String("lease", "", "namespace/name of the Lease that tells who holds it")
	certificate := flags.String("certificate", "", "file with our certificate, PEM; read again for each connection")
	key := flags.String("key", "", "file with its key, PEM")
	ca := flags.String("ca", "", "file with the authority of the API servers, PEM")
	if err := flags.Parse(args); err != nil {
		return err
	}
	place, err := newPlace(*address, *beside)
	if err != nil {
		return err
	}
	client, err := leaseClient(*ca, *certificate, *key)
	if err != nil {
		return err
	}
	own, err := newLease(client, *server, *lease)
	if err != nil {
		return err
	}
	every, err := newLease(client, *others, *lease)
	if err != nil {
		return err
	}
	h := &holder{name: *name, claims: own, place: place, now: time.Now, has: true}
	return errors.Join(h.run(ctx), h.leave(every))
}

// claim is what a Lease says. An empty version: there is none.
type claim struct {
	holder  string
	version string // another one after each write
}

// claims are where the holder is told. An error of put leaves open whether it was written.
type claims interface {
	get(ctx context.Context) (claim, error)
	put(ctx context.Context, holder, version string) (claim, error)
}

// place is where the address is put; drop is no error where it is not there.
type place interface {
	take(lifetime time.Duration) error
	drop() error
	announce() error
}

type holder struct {
	name   string
	claims claims
	place  place
	now    func() time.Time

	seen   claim
	seenAt time.Time
	sure   bool      // nobody else wrote since seen, as far as we know
	has    bool      // the address may be here, as after a run that was killed
	until  time.Time // when it has to be gone from here
	turns  int       // since it was taken
}

func (h *holder) run(ctx context.Context) error {
	for {
		if err := h.turn(ctx); err != nil {
			return err
		}
		if !sleep(ctx, turnEvery) {
			return nil
		}
	}
}

// turn looks and acts once. Its error is of the address itself: this host cannot have it.
func (h *holder) turn(ctx context.Context) error {
	started := h.now()
	within := turnWithin
	if left := h.until.Sub(started); h.has && left > 0 && left < within {
		within = left
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	mine, err := h.ask(ctx)
	switch {
	case mine:
		h.until = started.Add(addressLasts)
		return h.keep()
	case err != nil && h.has && h.now().Before(h.until):
		log.Printf("cannot renew the claim: %v", err)
		return nil
	case err != nil:
		return h.letGo(err)
	default:
		return h.letGo(fmt.Errorf("it is %s's", h.seen.holder))
	}
}

// ask says whether this host has the claim, after it was renewed or taken.
func (h *holder) ask(ctx context.Context) (bool, error) {
	if !h.sure {
		found, err := h.claims.get(ctx)
		if err != nil {
			return false, err
		}
		if found != h.seen || h.seenAt.IsZero() {
			h.seen, h.seenAt = found, h.now()
		}
		if found.holder != "" && found.holder != h.name && h.now().Sub(h.seenAt) < claimLasts {
			return false, nil
		}
	}
	h.sure = false
	saved, err := h.claims.put(ctx, h.name, h.seen.version)
	if err != nil {
		return false, err
	}
	h.seen, h.seenAt, h.sure = saved, h.now(), true
	return true, nil
}

// keep has the address here until the claim would run out; the kernel removes it then, if we do not come to it.
func (h *holder) keep() error {
	left := h.until.Sub(h.now()).Truncate(time.Second)
	if left <= 0 {
		return h.letGo(errors.New("the answer came too late"))
	}
	if err := h.place.take(left); err != nil {
		return err
	}
	if h.turns == 0 {
		log.Printf("this host has the address now")
	}
	h.has = true
	if h.turns < announceFor || h.turns%announceEach == 0 {
		if err := h.place.announce(); err != nil {
			log.Printf("cannot announce the address: %v", err)
		}
	}
	h.turns++
	return nil
}

func (h *holder) letGo(why error) error {
	if !h.has {
		return nil
	}
	if err := h.place.drop(); err != nil {
		return err
	}
	if h.turns > 0 {
		log.Printf("this host has the address no longer: %v", why)
	}
	h.has, h.turns, h.until = false, 0, time.Time{}
	return nil
}

// leave gives the address up, and then the claim, by whichever API server answers: this host's own may be ending.
// A claim that cannot be given up runs out.
func (h *holder) leave(others claims) error {
	if err := h.letGo(errors.New("asked to end")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	found, err := others.get(ctx)
	if err == nil && found.holder == h.name {
		_, err = others.put(ctx, "", found.version)
	}
	if err != nil {
		log.Printf("the claim is left to run out: %v", err)
	}
	return nil
}
