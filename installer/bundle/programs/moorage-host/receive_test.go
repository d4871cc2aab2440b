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
	return fmt.Sprintf("%s %d 0\n%s", digest, len(content), content)
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
	for _, stream := range []string{announcedAs(sum([]byte("one")), "one")[:68], sum([]byte("one")), sum([]byte("one")) + " 3 0\n"} {
		if err := receiving(t.TempDir(), stream); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
			t.Errorf("%q ended with %v", stream, err)
		}
	}
}

func TestOnlyDigestsAreNames(t *testing.T) {
	if err := receiving(t.TempDir(), "../../etc/passwd 3 0\none"); err == nil || !strings.Contains(err.Error(), "announces no file") {
		t.Errorf("ended with %v", err)
	}
}

func TestWhatBrokeOffGoesOnWhereItStopped(t *testing.T) {
	store, digest := t.TempDir(), sum([]byte("one two three"))
	whole := announcedAs(digest, "one two three")
	if err := receiving(store, whole[:len(whole)-6]); err == nil {
		t.Fatal("half a file was taken for one")
	}
	if err := receiving(store, fmt.Sprintf("%s 13 7\n three", digest)); err != nil {
		t.Fatal(err)
	}
	if found := content(t, filepath.Join(store, digest)); found != "one two three" {
		t.Errorf("it is %q", found)
	}
}

func TestABeginningIsCheckedWithTheRest(t *testing.T) {
	for _, begun := range []string{"two", "on", ""} {
		store, digest := t.TempDir(), sum([]byte("one two"))
		if err := os.WriteFile(filepath.Join(store, digest+".part"), []byte(begun), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := receiving(store, digest+" 7 3\n two"); err == nil {
			t.Errorf("%q was taken for the beginning", begun)
		}
		if err := receiving(store, announcedAs(digest, "one two")); err != nil {
			t.Errorf("after %q: %v", begun, err)
		}
	}
}

func TestMoreThanWasThereOfAFileIsCutOff(t *testing.T) {
	store, digest := t.TempDir(), sum([]byte("one two"))
	if err := os.WriteFile(filepath.Join(store, digest+".part"), []byte("one TWO and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := receiving(store, digest+" 7 4\ntwo"); err != nil {
		t.Fatal(err)
	}
}

func TestNobodyGoesOnBeyondTheEnd(t *testing.T) {
	for _, from := range []string{"-1", "4", "x"} {
		if err := receiving(t.TempDir(), sum([]byte("one"))+" 3 "+from+"\n"); err == nil || !strings.Contains(err.Error(), "announces no file") {
			t.Errorf("%s ended with %v", from, err)
		}
	}
}
