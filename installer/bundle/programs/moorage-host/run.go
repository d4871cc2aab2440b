package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"time"
)

// runConfig says what a supervisor does: first the preparations, one after the other, then the processes in order.
type runConfig struct {
	Prepare   [][]string       `json:"prepare"`   // commands; one that fails ends everything
	Processes []*processConfig `json:"processes"` // each starts once the one before it is ready; stopped in reverse

	Links  *linksConfig  `json:"links"`  // made before the processes, and kept
	Follow *followConfig `json:"follow"` // from when all processes are ready

	ReadyTimeoutSeconds float64 `json:"readyTimeoutSeconds"` // 60 by default
	StopTimeoutSeconds  float64 `json:"stopTimeoutSeconds"`  // 10 by default, of each process, then it is killed
	RestartLimit        int     `json:"restartLimit"`        // restarts of one process within ten minutes; 0: no limit
}

type processConfig struct {
	Name  string            `json:"name"`
	Argv  []string          `json:"argv"`
	Env   map[string]string `json:"env"`   // beside our own environment
	Once  bool              `json:"once"`  // runs to its end and is ready then; not restarted
	Ready *readiness        `json:"ready"` // ready as soon as it is started, if nil
}

const (
	restartWindow = 10 * time.Minute
	shortestPause = 200 * time.Millisecond
	longestPause  = 10 * time.Second
	steadyAfter   = 30 * time.Second // a process that lived so long starts again without a pause
)

func runCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	flags.Usage = func() { fmt.Fprintln(os.Stderr, "usage: moorage-host run CONFIG.json") }
	if err := flags.Parse(args); err != nil {
		return err
	}
	content, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	config := runConfig{ReadyTimeoutSeconds: 60, StopTimeoutSeconds: 10}
	if err := json.Unmarshal(content, &config); err != nil {
		return fmt.Errorf("%s: %w", flags.Arg(0), err)
	}
	if os.Getpid() == 1 {
		go reapOrphans(ctx)
	}
	return supervise(ctx, config)
}

// supervise returns nil when ctx ended and all processes are stopped, or why they could not be kept running.
func supervise(ctx context.Context, config runConfig) error {
	for _, argv := range config.Prepare {
		if err := runOnce(ctx, "prepare", argv, nil); err != nil {
			return fmt.Errorf("prepare %q: %w", argv, err)
		}
	}
	if config.Links != nil {
		if err := config.Links.link(); err != nil {
			return err
		}
		go config.Links.follow(ctx)
	}
	failed := make(chan error, len(config.Processes))
	var kept []*process
	said := config.Follow.read()
	err := startAll(ctx, config, &kept, failed)
	if err == nil {
		log.Printf("all %d processes are ready", len(config.Processes))
		err = follow(ctx, config, kept, said, failed)
	}
	for _, p := range slices.Backward(kept) {
		p.stop(seconds(config.StopTimeoutSeconds))
	}
	return err
}

func startAll(ctx context.Context, config runConfig, kept *[]*process, failed chan error) error {
	for _, one := range config.Processes {
		if one.Once {
			if err := runOnce(ctx, one.Name, one.Argv, one.Env); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", one.Name, err)
			}
			continue
		}
		p := keep(*one, config.RestartLimit, failed)
		*kept = append(*kept, p)
		if err := one.Ready.wait(ctx, seconds(config.ReadyTimeoutSeconds), failed); err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// process is kept running until it is stopped.
type process struct {
	config processConfig
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
	grace  chan time.Duration
}

func keep(config processConfig, limit int, failed chan<- error) *process {
	p := &process{config: config, ended: make(chan struct{}), grace: make(chan time.Duration, 1)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(p.ended)
		if err := p.keepRunning(limit); err != nil {
			failed <- fmt.Errorf("%s: %w", config.Name, err)
		}
	}()
	return p
}

func (p *process) keepRunning(limit int) error {
	var restarts []time.Time
	pause := shortestPause
	for {
		started := time.Now()
		err := p.runOnce()
		if p.ctx.Err() != nil {
			return nil
		}
		if time.Since(started) > steadyAfter {
			pause = shortestPause
		}
		restarts = slices.DeleteFunc(append(restarts, time.Now()), func(t time.Time) bool { return time.Since(t) > restartWindow })
		if limit > 0 && len(restarts) > limit {
			return fmt.Errorf("ended %d times within %s, last: %v", len(restarts), restartWindow, outcome(err))
		}
		log.Printf("%s ended (%v), starting it again in %s", p.config.Name, outcome(err), pause)
		if !sleep(p.ctx, pause) {
			return nil
		}
		pause = min(pause*2, longestPause)
	}
}

func (p *process) runOnce() error {
	command := newCommand(p.config.Name, p.config.Argv, p.config.Env)
	if err := start(command); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- wait(command) }()
	select {
	case err := <-ended:
		return err
	case <-p.ctx.Done():
		return end(command, ended, <-p.grace)
	}
}

// stop asks the process to end, waits, and kills it after grace.
func (p *process) stop(grace time.Duration) {
	p.grace <- grace
	p.cancel()
	<-p.ended
}

func runOnce(ctx context.Context, name string, argv []string, env map[string]string) error {
	command := newCommand(name, argv, env)
	if err := start(command); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- wait(command) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return end(command, ended, time.Second)
	}
}

func outcome(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second))
}

func newCommand(name string, argv []string, env map[string]string) *exec.Cmd {
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = os.Environ()
	for key, value := range env {
		command.Env = append(command.Env, key+"="+value)
	}
	out := &prefixer{prefix: name + " | ", out: os.Stderr}
	command.Stdout, command.Stderr = out, out
	return command
}
