package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestLinksFollowTheFiles(t *testing.T) {
	l := linksConfig{From: t.TempDir(), To: filepath.Join(t.TempDir(), "to"), File: "hosts.toml", Suffix: ".toml"}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(l.From, name), []byte(text), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	names := func() []string {
		found, _ := filepath.Glob(filepath.Join(l.To, "*", l.File))
		for i, one := range found {
			found[i] = filepath.Base(filepath.Dir(one))
		}
		return found
	}
	write("docker.io.toml", "one")
	write("0123.crt", "no registry")
	if err := l.link(); err != nil {
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, []string{"docker.io"}) {
		t.Errorf("there are links for %q", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); l.follow(ctx) }()
	if err := os.Remove(filepath.Join(l.From, "docker.io.toml")); err != nil {
		t.Fatal(err)
	}
	write("_default.toml", "two")
	eventually(t, "the links do not follow", func() bool { return slices.Equal(names(), []string{"_default"}) })
	stop()
	<-ended
	if text, err := os.ReadFile(filepath.Join(l.To, "_default", l.File)); string(text) != "two" {
		t.Errorf("the link leads to %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(l.To, "docker.io")); !os.IsNotExist(err) {
		t.Errorf("a directory without a file is still there: containerd would not look at _default (%v)", err)
	}
}

func TestLinksNeedTheirFiles(t *testing.T) {
	l := linksConfig{From: filepath.Join(t.TempDir(), "missing"), To: t.TempDir()}
	if err := l.link(); err == nil {
		t.Error("nobody is told that the files are missing")
	}
}
