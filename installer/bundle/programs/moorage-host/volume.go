package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// volumeCommand makes a directory in which everybody may write, whoever a pod runs as, in one that only root may enter.
// Made before, it stays; anything else at its place, such as a link that leads elsewhere, is refused.
func volumeCommand(_ context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: moorage-host volume DIRECTORY")
	}
	if err := os.Chmod(filepath.Dir(args[0]), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(args[0], 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	found, err := os.Lstat(args[0])
	if err != nil {
		return err
	}
	if !found.IsDir() {
		return fmt.Errorf("%s is there, and is no directory", args[0])
	}
	return os.Chmod(args[0], 0o777) // Mkdir heeds the umask
}
