package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// removeCommand removes a directory, or with --except all that is in it but one entry. A datastore's member that was
// replaced leaves its data behind; pods have no shell to clear it away with.
func removeCommand(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("remove", flag.ExitOnError)
	kept := flags.String("except", "", "keep the directory and this entry of it")
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: moorage-host remove [--except NAME] DIRECTORY")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("exactly one directory must be given")
	}
	if *kept == "" {
		return os.RemoveAll(flags.Arg(0))
	}
	entries, err := os.ReadDir(flags.Arg(0))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() != *kept {
			err = errors.Join(err, os.RemoveAll(filepath.Join(flags.Arg(0), entry.Name())))
		}
	}
	return err
}
