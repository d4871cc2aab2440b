package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func said(path string) string {
	content, _ := os.ReadFile(path)
	return string(content)
}

func TestOnlyWhatFollowsAFileStartsAnewWithIt(t *testing.T) {
	folder := t.TempDir()
	log, file, told := filepath.Join(folder, "log"), filepath.Join(folder, "file"), filepath.Join(folder, "told")
	stale := filepath.Join(folder, "stale")
	for path, text := range map[string]string{file: "one", stale: "of one"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := config(forever(log, "a"), forever(log, "b"), forever(log, "c"))
	c.Follow = &followConfig{File: file, Processes: []string{"a", "c"}, Remove: []string{stale}, Tell: told}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- supervise(ctx, c) }()
	eventually(t, "it does not tell what its processes started with", func() bool { return said(told) == "one" })
	if said(stale) == "" {
		t.Error("a file was removed for nothing")
	}
	if err := os.WriteFile(file, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it does not follow", func() bool { return said(told) == "two" })
	eventually(t, "its processes are not there again", func() bool { return len(lines(t, log)) == len("a b c -a -c a c") })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if said(stale) != "" {
		t.Error("the file that does not outlast a change is still there")
	}
	if got := lines(t, log); got[:len("a b c -a -c ")] != "a b c -a -c " || len(got) != len("a b c -a -c a c -c -b -a") {
		t.Errorf("the log says %q", got)
	}
}
