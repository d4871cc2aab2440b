package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writing is a process that writes its name to a log and then does as it is told.
func writing(log, name, then string) *processConfig {
	script := fmt.Sprintf("echo %s >>%s; %s", name, log, then)
	return &processConfig{Name: name, Argv: []string{"/bin/sh", "-c", script}}
}

// forever ends when asked to, and logs that; it is ready once it can.
func forever(log, name string) *processConfig {
	ready := log + "." + name
	script := fmt.Sprintf("trap 'echo -%[1]s >>%[2]s; exit 0' TERM; echo %[1]s >>%[2]s; touch %[3]s; while :; do sleep 0.01; done", name, log, ready)
	return &processConfig{Name: name, Argv: []string{"/bin/sh", "-c", script}, Ready: &readiness{File: ready}}
}

func lines(t *testing.T, log string) string {
	t.Helper()
	found, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(found)), " ")
}

func config(processes ...*processConfig) runConfig {
	return runConfig{Processes: processes, ReadyTimeoutSeconds: 30, StopTimeoutSeconds: 30}
}

// supervising runs until the log is as wanted, then stops and returns the whole log.
func supervising(t *testing.T, c runConfig, log, wanted string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- supervise(ctx, c) }()
	eventually(t, "the log never says "+wanted, func() bool { return strings.HasPrefix(lines(t, log), wanted) })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return lines(t, log)
}

func TestProcessesStartInOrderAndStopInReverse(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	c := config(forever(log, "a"), forever(log, "b"))
	c.Prepare = [][]string{{"/bin/sh", "-c", "echo prepared >>" + log}}
	if got := supervising(t, c, log, "prepared a b"); got != "prepared a b -b -a" {
		t.Errorf("the log says %q", got)
	}
}

func TestTheNextProcessWaitsUntilTheOneBeforeIsReady(t *testing.T) {
	folder := t.TempDir()
	log, socket := filepath.Join(folder, "log"), filepath.Join(folder, "socket")
	first, second := forever(log, "a"), forever(log, "b")
	first.Ready = &readiness{Unix: socket}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- supervise(ctx, config(first, second)) }()
	eventually(t, "the first process never starts", func() bool { return lines(t, log) == "a" })
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	eventually(t, "the second process never starts", func() bool { return lines(t, log) == "a b" })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAProcessThatEndsIsStartedAgain(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	supervising(t, config(writing(log, "a", "exit 1")), log, "a a")
}

func TestAProcessThatEndsTooOftenEndsTheSupervisor(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	c := config(forever(log, "good"), writing(log, "bad", "exit 7"))
	c.RestartLimit = 1
	err := supervise(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "bad: ended 2 times") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("the error is %v", err)
	}
}

func TestWhatRunsOnceIsDoneBeforeTheNextStarts(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	once := writing(log, "once", "sleep 0.05; echo done >>"+log)
	once.Once = true
	if got := supervising(t, config(once, forever(log, "a")), log, "once done a"); got != "once done a -a" {
		t.Errorf("the log says %q", got)
	}
}

func TestWhatRunsOnceAndFailsEndsAll(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	once := writing(log, "once", "exit 3")
	once.Once = true
	err := supervise(t.Context(), config(forever(log, "a"), once))
	if err == nil || !strings.Contains(err.Error(), "once: exit status 3") {
		t.Errorf("the error is %v", err)
	}
}

func TestAPreparationThatFailsStartsNothing(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	c := config(forever(log, "a"))
	c.Prepare = [][]string{{"/bin/false"}}
	if err := supervise(t.Context(), c); err == nil || !strings.Contains(err.Error(), "prepare") {
		t.Errorf("the error is %v", err)
	}
	if got := lines(t, log); got != "" {
		t.Errorf("the log says %q", got)
	}
}

func TestAProcessThatDoesNotEndIsKilledWithItsChildren(t *testing.T) {
	folder := t.TempDir()
	log := filepath.Join(folder, "log")
	stubborn := writing(log, "a", "trap '' TERM; sleep 1000 & echo $! >>"+log+"; while :; do sleep 0.01; done")
	c := config(stubborn)
	c.StopTimeoutSeconds = 0.05
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- supervise(ctx, c) }()
	eventually(t, "the process never starts", func() bool { return strings.Count(lines(t, log), " ") == 1 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	child := strings.Fields(lines(t, log))[1]
	eventually(t, "its child lives on", func() bool {
		state, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(state), ") Z ")
	})
}

func TestLinesOfAProcessBearItsName(t *testing.T) {
	var out strings.Builder
	p := &prefixer{prefix: "etcd | ", out: &out}
	for _, part := range []string{"one\ntw", "o\n", "rest"} {
		if n, err := p.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if out.String() != "etcd | one\netcd | two\n" {
		t.Errorf("written: %q", out.String())
	}
}
