package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// podNetwork is the file that containerd finds first in its directory, and reads again whenever it is replaced.
const podNetwork = "00-moorage.conflist"

// letPodsIn writes the network configuration of pods (CNI), after which the node is ready for them. containerd could
// complete the template by itself, but leaves a range as it is that it once had; and its kubelet, started anew, says
// for ten seconds that the node is not ready where there is none yet.
func letPodsIn(file, dir, podRange string) error {
	if dir == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the network of pods: %w", err)
	}
	parsed, err := template.New(file).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return fmt.Errorf("read the network of pods: %w", err)
	}
	var wanted bytes.Buffer
	if err := parsed.Execute(&wanted, map[string]string{"PodCIDR": podRange}); err != nil {
		return fmt.Errorf("complete the network of pods: %w", err)
	}
	path := filepath.Join(dir, podNetwork)
	if had, err := os.ReadFile(path); err == nil && bytes.Equal(had, wanted.Bytes()) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the network of pods: %w", err)
	}
	unfinished := path + ".new" // no name that containerd would read
	if err := os.WriteFile(unfinished, wanted.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the network of pods: %w", err)
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("write the network of pods: %w", err)
	}
	return nil
}
