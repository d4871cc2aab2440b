package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// children holds the processes that are ours to wait for. Every other child of a PID 1 is an orphan it must reap.
var children = struct {
	sync.Mutex
	pids map[int]bool
}{pids: map[int]bool{}}

// start starts a command; its process group is its own, so that what it started ends with it.
func start(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.WaitDelay = time.Second // children of its own may keep its output open for as long as they live
	children.Lock()
	defer children.Unlock()
	if err := command.Start(); err != nil {
		return err
	}
	children.pids[command.Process.Pid] = true
	return nil
}

func wait(command *exec.Cmd) error {
	err := command.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	children.Lock()
	defer children.Unlock()
	delete(children.pids, command.Process.Pid)
	return err
}

// end asks a command to end, and kills it with all of its process group when it has not after grace.
func end(command *exec.Cmd, ended <-chan error, grace time.Duration) error {
	_ = command.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		return <-ended
	}
}

// reapOrphans waits for children that we did not start: as PID 1 we inherit those whose parents ended.
func reapOrphans(ctx context.Context) {
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	for {
		select {
		case <-ctx.Done():
			return
		case <-died:
			reapOnce()
		}
	}
}

func reapOnce() {
	children.Lock() // nothing of ours is born or waited for in between
	defer children.Unlock()
	for _, pid := range zombies(os.Getpid()) {
		if !children.pids[pid] {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// zombies lists the dead children of parent that nobody waited for.
func zombies(parent int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state ppid ...; the name may hold anything, so what follows its last bracket counts
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 && fields[0] == "Z" && fields[1] == strconv.Itoa(parent) {
			found = append(found, pid)
		}
	}
	return found
}

// readiness is one of: a unix socket that accepts, a file that exists, a TCP port that accepts, a URL that says 200.
type readiness struct {
	Unix string `json:"unix"`
	File string `json:"file"`
	TCP  string `json:"tcp"`
	HTTP string `json:"http"`
}

func (r *readiness) wait(ctx context.Context, timeout time.Duration, failed <-chan error) error {
	if r == nil {
		return nil
	}
	deadline := time.Now().Add(timeout)
	for {
		err := r.check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s: %w", timeout, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *readiness) check() error {
	switch {
	case r.Unix != "":
		return accepts("unix", r.Unix)
	case r.TCP != "":
		return accepts("tcp", r.TCP)
	case r.HTTP != "":
		return says200(r.HTTP)
	default:
		_, err := os.Stat(r.File)
		return err
	}
}

func accepts(network, address string) error {
	conn, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

func says200(url string) error {
	client := http.Client{Timeout: time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says %s", url, response.Status)
	}
	return nil
}

// prefixer puts a name before each line that goes through it.
type prefixer struct {
	prefix string
	out    io.Writer

	mu   sync.Mutex
	rest []byte
}

func (p *prefixer) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, data...)
	for {
		end := bytes.IndexByte(p.rest, '\n')
		if end < 0 {
			return len(data), nil
		}
		// One write a line, so that lines of several processes do not mix.
		if _, err := p.out.Write(append([]byte(p.prefix), p.rest[:end+1]...)); err != nil {
			return len(data), err
		}
		p.rest = p.rest[end+1:]
	}
}
