package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func made(t *testing.T, names ...string) string {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "member")
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(directory, name, "wal"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func TestRemoveKeepsTheOneExcepted(t *testing.T) {
	directory := made(t, "member", "1a", "2b")
	if err := removeCommand(context.Background(), []string{"--except", "2b", directory}); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(filepath.Join(directory, "*"))
	if len(left) != 1 || filepath.Base(left[0]) != "2b" {
		t.Fatalf("left: %v", left)
	}
}

func TestRemoveTakesAWholeDirectoryAndNothingBesideIt(t *testing.T) {
	directory := made(t, "member")
	beside := filepath.Join(filepath.Dir(directory), "other")
	if err := os.Mkdir(beside, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is gone already is no error
		if err := removeCommand(context.Background(), []string{directory}); err != nil {
			t.Fatal(err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(directory), "*"))
	if len(left) != 1 || left[0] != beside {
		t.Fatalf("left: %v", left)
	}
}

func TestRemoveWantsADirectory(t *testing.T) {
	if removeCommand(context.Background(), []string{"--except", "1a"}) == nil {
		t.Fatal("no directory was given, yet it did something")
	}
}
