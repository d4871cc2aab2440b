package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPodsAreLetInWithTheRangeThatTheNodeHasNow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cni")
	file := filepath.Join(t.TempDir(), "template")
	if err := os.WriteFile(file, []byte(`{"subnet": "{{.PodCIDR}}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, podRange := range []string{"10.244.1.0/24", "10.244.1.0/24", "10.244.7.0/24"} {
		if err := letPodsIn(file, dir, podRange); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, podNetwork))
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"subnet": "` + podRange + `"}`; string(text) != want {
			t.Errorf("%s, not %s", text, want)
		}
	}
	if found, _ := os.ReadDir(dir); len(found) != 1 {
		t.Errorf("%v", found)
	}
}

func TestTheSameIsNotWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "template")
	if err := os.WriteFile(file, []byte("{{.PodCIDR}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var seen [2]os.FileInfo
	for i := range seen {
		if err := letPodsIn(file, dir, "10.244.1.0/24"); err != nil {
			t.Fatal(err)
		}
		seen[i], _ = os.Stat(filepath.Join(dir, podNetwork))
	}
	if !os.SameFile(seen[0], seen[1]) {
		t.Error("containerd would read it again")
	}
}

func TestWithoutATemplateNobodyIsLetIn(t *testing.T) {
	if letPodsIn("/no/such/file", t.TempDir(), "10.244.1.0/24") == nil {
		t.Error("no error")
	}
	if err := letPodsIn("", "", "10.244.1.0/24"); err != nil {
		t.Error(err)
	}
}
