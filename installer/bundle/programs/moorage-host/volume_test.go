package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestAVolumeIsForEverybodyAndItsDirectoryForRoot(t *testing.T) {
	volume := filepath.Join(t.TempDir(), "team-a", "pvc-1")
	if err := os.Mkdir(filepath.Dir(volume), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what was made before stays, with what is in it
		if err := volumeCommand(context.Background(), []string{volume}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(volume, "data"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, mode := range map[string]os.FileMode{volume: 0o777, filepath.Dir(volume): 0o700} {
		found, err := os.Stat(path)
		if err != nil || found.Mode().Perm() != mode {
			t.Fatalf("%s: %v, %v", path, found.Mode(), err)
		}
	}
	if _, err := os.Stat(filepath.Join(volume, "data")); err != nil {
		t.Fatal(err)
	}
}

func TestAVolumeIsNeverMadeThroughALink(t *testing.T) {
	volume, other := filepath.Join(t.TempDir(), "pvc-1"), t.TempDir()
	if err := os.Chmod(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, volume); err != nil {
		t.Fatal(err)
	}
	if volumeCommand(context.Background(), []string{volume}) == nil {
		t.Fatal("a link passed for a volume")
	}
	if found, err := os.Stat(other); err != nil || found.Mode().Perm() != 0o700 {
		t.Fatalf("%v, %v", found.Mode(), err)
	}
}
