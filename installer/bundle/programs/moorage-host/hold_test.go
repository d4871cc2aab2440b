package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var errCut = errors.New("cut off")

// world has one Lease, the hosts that may have the address, and one clock.
type world struct {
	t        *testing.T
	now      time.Time
	claim    claim
	versions int
	hosts    []*simulated
}

// simulated is a host: its way to the Lease, the kernel that counts an address' life, and the program.
type simulated struct {
	world     *world
	holder    *holder
	cut       bool // neither reads nor writes come through
	deaf      bool // what it writes arrives, the answer does not
	frozen    bool // its program has no turns; its kernel goes on
	gone      time.Time
	announced int
}

func newWorld(t *testing.T, hosts int) *world {
	w := &world{t: t, now: time.Unix(1000, 0)}
	for i := range hosts {
		s := &simulated{world: w}
		s.holder = &holder{name: fmt.Sprintf("manager-%d", i+1), claims: s, place: s, now: w.clock, has: true}
		w.hosts = append(w.hosts, s)
	}
	return w
}

func (w *world) clock() time.Time { return w.now }

func (s *simulated) get(context.Context) (claim, error) {
	if s.cut {
		return claim{}, errCut
	}
	return s.world.claim, nil
}

func (s *simulated) put(_ context.Context, holder, version string) (claim, error) {
	w := s.world
	if s.cut {
		return claim{}, errCut
	}
	if version != w.claim.version {
		return claim{}, errors.New("409 Conflict")
	}
	w.versions++
	w.claim = claim{holder, fmt.Sprint(w.versions)}
	if s.deaf {
		return claim{}, errCut
	}
	return w.claim, nil
}

func (s *simulated) take(lifetime time.Duration) error {
	s.gone = s.world.now.Add(lifetime)
	return nil
}

func (s *simulated) drop() error {
	s.gone = s.world.now
	return nil
}

func (s *simulated) announce() error {
	s.announced++
	return nil
}

func (s *simulated) has() bool { return s.world.now.Before(s.gone) }

// pass lets time go by; each host has its turns at moments of its own. No two may have the address at any moment.
func (w *world) pass(long time.Duration) {
	w.t.Helper()
	const tick = 250 * time.Millisecond
	for range long / tick {
		w.now = w.now.Add(tick)
		for i, s := range w.hosts {
			if !s.frozen && w.now.UnixMilli()/tick.Milliseconds()%4 == int64(i%4) {
				if err := s.holder.turn(context.Background()); err != nil {
					w.t.Fatal(err)
				}
			}
		}
		w.who()
	}
}

func (w *world) who() string {
	w.t.Helper()
	found := ""
	for _, s := range w.hosts {
		if s.has() {
			if found != "" {
				w.t.Fatalf("%s and %s have the address at once", found, s.holder.name)
			}
			found = s.holder.name
		}
	}
	return found
}

func (w *world) holding() *simulated {
	w.t.Helper()
	for _, s := range w.hosts {
		if s.has() {
			return s
		}
	}
	w.t.Fatal("nobody has the address")
	return nil
}

// The address stays where it is while all is well, and is announced again and again, but not at every turn.
func TestOneHostHasTheAddress(t *testing.T) {
	w := newWorld(t, 3)
	w.pass(2 * time.Second)
	first := w.holding()
	for range 60 {
		w.pass(time.Second)
		if w.holding() != first {
			t.Fatal("the address went elsewhere without a reason")
		}
	}
	if first.announced < announceFor+2 || first.announced > announceFor+4 {
		t.Errorf("announced %d times", first.announced)
	}
}

// However its holder is lost, another has the address within a claim's life and a turn or two, and it stays there.
func TestAnotherTakesOver(t *testing.T) {
	for name, lose := range map[string]func(*simulated){
		"cut off":        func(s *simulated) { s.cut = true },
		"program frozen": func(s *simulated) { s.frozen = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			w.pass(5 * time.Second)
			lost := w.holding()
			lose(lost)
			w.pass(claimLasts + 2*turnEvery)
			next := w.holding()
			if next == lost {
				t.Fatal("it is where it was")
			}
			lost.cut, lost.frozen = false, false
			w.pass(30 * time.Second)
			if w.holding() != next {
				t.Fatal("it went back without a reason")
			}
		})
	}
}

// A short loss, as while etcd finds another leader, moves nothing.
func TestAShortLossMovesNothing(t *testing.T) {
	w := newWorld(t, 3)
	w.pass(5 * time.Second)
	first := w.holding()
	for _, s := range w.hosts {
		s.cut = true
	}
	w.pass(5 * time.Second)
	if w.holding() != first {
		t.Fatal("the address moved")
	}
	for _, s := range w.hosts {
		s.cut = false
	}
	w.pass(30 * time.Second)
	if w.holding() != first {
		t.Fatal("the address moved")
	}
}

// Where nobody can write, as without a majority of etcd, nobody has the address.
func TestWithoutClaimsNobodyHasIt(t *testing.T) {
	w := newWorld(t, 3)
	w.pass(5 * time.Second)
	for _, s := range w.hosts {
		s.cut = true
	}
	w.pass(addressLasts + turnEvery)
	if who := w.who(); who != "" {
		t.Fatalf("%s still has it", who)
	}
}

// A holder that ends hands over at once.
func TestAHolderThatEndsHandsOver(t *testing.T) {
	w := newWorld(t, 2)
	w.pass(5 * time.Second)
	first := w.holding()
	if err := first.holder.leave(first); err != nil {
		t.Fatal(err)
	}
	if w.who() != "" || w.claim.holder != "" {
		t.Fatalf("left with %q", w.claim.holder)
	}
	first.frozen = true
	w.pass(turnEvery)
	if w.holding() == first {
		t.Fatal("it came back")
	}
}

// One that did not hold it takes nothing from the one who does.
func TestAnotherThatEndsChangesNothing(t *testing.T) {
	w := newWorld(t, 2)
	w.pass(5 * time.Second)
	first := w.holding()
	for _, s := range w.hosts {
		if s != first {
			if err := s.holder.leave(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if w.holding() != first || w.claim.holder != first.holder.name {
		t.Fatal("the claim is another's")
	}
}

// What a run that was killed left behind goes at the first look, unless the claim is this host's still.
func TestWhatWasLeftBehindGoes(t *testing.T) {
	for holder, stays := range map[string]bool{"manager-1": true, "manager-2": false} {
		w := newWorld(t, 1)
		w.claim = claim{holder, "7"}
		w.hosts[0].gone = w.now.Add(addressLasts)
		w.now = w.now.Add(time.Second)
		if err := w.hosts[0].holder.turn(context.Background()); err != nil {
			t.Fatal(err)
		}
		if w.hosts[0].has() != stays {
			t.Errorf("claim of %s: the address is here: %v", holder, !stays)
		}
	}
}

// An address that the interface does not take ends the program, which says so.
func TestAnAddressThatCannotBeTaken(t *testing.T) {
	w := newWorld(t, 1)
	w.hosts[0].holder.place = refuses{}
	if err := w.hosts[0].holder.run(context.Background()); !errors.Is(err, errRefused) {
		t.Fatalf("%v", err)
	}
}

var errRefused = errors.New("refused")

type refuses struct{}

func (refuses) take(time.Duration) error { return errRefused }
func (refuses) drop() error              { return nil }
func (refuses) announce() error          { return nil }

// Whatever is cut, frozen and healed in whatever order, no two have it at once, and in the end one has.
func TestNeverTwoAtOnce(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, 3)
		for range 40 {
			s := w.hosts[random.IntN(len(w.hosts))]
			s.cut, s.deaf, s.frozen = random.IntN(3) == 0, random.IntN(4) == 0, random.IntN(4) == 0
			w.pass(time.Duration(random.IntN(60)) * 250 * time.Millisecond)
		}
		for _, s := range w.hosts {
			s.cut, s.deaf, s.frozen = false, false, false
		}
		w.pass(claimLasts + 3*turnEvery)
		w.holding()
	}
}
