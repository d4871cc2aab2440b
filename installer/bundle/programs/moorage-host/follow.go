package main

import (
	"context"
	"log"
	"os"
	"slices"
	"time"
)

// followConfig names processes that start anew when a file says something else: what it stands for, they read once.
type followConfig struct {
	File      string   `json:"file"`
	Processes []string `json:"processes"`
	Remove    []string `json:"remove"` // files that do not outlast it, removed while no such process runs
	Tell      string   `json:"tell"`   // a file: what File said when the processes that run were started
}

// follow returns nil when ctx ended, or why a process could not be kept running. The elements of kept are replaced.
func follow(ctx context.Context, config runConfig, kept []*process, said string, failed chan error) error {
	var looks <-chan time.Time
	if config.Follow != nil {
		ticker := time.NewTicker(lookForFiles)
		defer ticker.Stop()
		looks = ticker.C
		config.Follow.tell(said)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-looks:
			now := config.Follow.read()
			if now == "" || now == said {
				continue
			}
			log.Printf("%s says something else: %v start anew", config.Follow.File, config.Follow.Processes)
			config.Follow.restart(config, kept, failed)
			config.Follow.tell(now)
			said = now
		}
	}
}

func (f *followConfig) restart(config runConfig, kept []*process, failed chan error) {
	for _, p := range kept {
		if slices.Contains(f.Processes, p.config.Name) {
			p.stop(seconds(config.StopTimeoutSeconds))
		}
	}
	for _, path := range f.Remove {
		if err := os.RemoveAll(path); err != nil {
			log.Printf("remove %s: %v", path, err)
		}
	}
	for i, p := range kept {
		if slices.Contains(f.Processes, p.config.Name) {
			kept[i] = keep(p.config, config.RestartLimit, failed)
		}
	}
}

// read returns nothing where the file is not there: a node that was made before there was one.
func (f *followConfig) read() string {
	if f == nil {
		return ""
	}
	content, err := os.ReadFile(f.File)
	if err != nil {
		return ""
	}
	return string(content)
}

func (f *followConfig) tell(said string) {
	if err := os.WriteFile(f.Tell, []byte(said), 0o600); err != nil {
		log.Printf("tell what is followed: %v", err)
	}
}
