package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func receiving(store string, stream string) error {
	return receive(bufio.NewReader(strings.NewReader(stream)), store)
}

func announcedAs(digest, content string) string {
	return fmt.Sprintf("%s %d\n%s", digest, len(content), content)
}

func TestFilesArriveOneAfterTheOther(t *testing.T) {
	store := t.TempDir()
	stream := ""
	for _, text := range []string{"etcd\n", "", "one\ntwo"} {
		stream += announcedAs(sum([]byte(text)), text)
	}
	if err := receiving(store, stream); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"etcd\n", "", "one\ntwo"} {
		path := filepath.Join(store, sum([]byte(text)))
		if content(t, path) != text {
			t.Errorf("%s is %q", path, content(t, path))
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o555 {
			t.Errorf("%v %v", info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(store); err != nil || len(entries) != 3 {
		t.Errorf("%v %v", entries, err)
	}
}

func TestWhatArrivesDamagedIsNotKept(t *testing.T) {
	store := t.TempDir()
	whole := announcedAs(sum([]byte("one")), "one")
	err := receiving(store, whole+announcedAs(sum([]byte("two")), "tow")+announcedAs(sum([]byte("three")), "three"))
	if err == nil || !strings.Contains(err.Error(), "arrived with the digest "+sum([]byte("tow"))) {
		t.Errorf("ended with %v", err)
	}
	if entries, err := os.ReadDir(store); err != nil || len(entries) != 1 || entries[0].Name() != sum([]byte("one")) {
		t.Errorf("kept %v %v", entries, err)
	}
}

func TestAStreamThatBreaksOffIsNoEnd(t *testing.T) {
	for _, stream := range []string{announcedAs(sum([]byte("one")), "one")[:66], sum([]byte("one")), sum([]byte("one")) + " 3\n"} {
		if err := receiving(t.TempDir(), stream); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("%q ended with %v", stream, err)
		}
	}
}

func TestOnlyDigestsAreNames(t *testing.T) {
	if err := receiving(t.TempDir(), "../../etc/passwd 3\none"); err == nil || !strings.Contains(err.Error(), "announces no file") {
		t.Errorf("ended with %v", err)
	}
}
