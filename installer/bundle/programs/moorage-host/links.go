package main

import (
	"context"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// linksConfig makes directories of files that lie flat, as those of a mounted Secret do: for each NAME+Suffix in From a
// link To/NAME/File that leads to it. What the files say changes by itself; this follows which files there are.
type linksConfig struct {
	From   string `json:"from"`
	To     string `json:"to"`
	File   string `json:"file"`
	Suffix string `json:"suffix"`
}

const lookForFiles = 2 * time.Second

// follow keeps the links as they should be until ctx ends. A look is one read of a directory.
func (l linksConfig) follow(ctx context.Context) {
	failed := ""
	for sleep(ctx, lookForFiles) {
		said := ""
		if err := l.link(); err != nil {
			said = err.Error()
		}
		if said != "" && said != failed {
			log.Printf("links: %s", said)
		}
		failed = said
	}
}

// link makes the links that are missing and removes the directories whose file is gone.
func (l linksConfig) link() error {
	files, err := os.ReadDir(l.From)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.To, 0o700); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, file := range files {
		name, ours := strings.CutSuffix(file.Name(), l.Suffix)
		if !ours {
			continue
		}
		wanted[name] = true
		if err := l.linkOne(name, filepath.Join(l.From, file.Name())); err != nil {
			return err
		}
	}
	found, err := os.ReadDir(l.To)
	if err != nil {
		return err
	}
	for _, directory := range found {
		if !wanted[directory.Name()] {
			if err := os.RemoveAll(filepath.Join(l.To, directory.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l linksConfig) linkOne(name, target string) error {
	link := filepath.Join(l.To, name, l.File)
	if _, err := os.Lstat(link); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		return err
	}
	return os.Symlink(target, link)
}
