package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// manifest lists the files of a bundle; its own sha256 is the digest of the bundle.
type manifest struct {
	Artefacts []artefact `json:"artefacts"`
	digest    string
	content   []byte // as it was read: the digest is of these bytes
}

type artefact struct {
	Path   string `json:"path"` // inside the release
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

var sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)

func readManifest(file string) (*manifest, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, a := range m.Artefacts {
		if !filepath.IsLocal(a.Path) || !sha256Form.MatchString(a.SHA256) {
			return nil, fmt.Errorf("%s: refused the entry %q %q", file, a.Path, a.SHA256)
		}
	}
	sum := sha256.Sum256(content)
	m.digest, m.content = hex.EncodeToString(sum[:]), content
	return &m, nil
}

// files lists each file once: two paths may have the same content.
func (m *manifest) files() []artefact {
	seen := map[string]bool{}
	var files []artefact
	for _, a := range m.Artefacts {
		if !seen[a.SHA256] {
			seen[a.SHA256] = true
			files = append(files, a)
		}
	}
	return files
}

// intact says whether the store has the file, byte for byte; a damaged one is removed. Releases that link to it keep theirs.
func intact(store string, a artefact) (bool, error) {
	path := filepath.Join(store, a.SHA256)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if info.Size() == a.Size {
		if sum, err := digestOf(path); err != nil || sum == a.SHA256 {
			return err == nil, err
		}
	}
	return false, os.Remove(path)
}

func digestOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// layOut makes releases/<digest>/ of hard links into the store; it appears whole or not at all. One that is there gets
// links to files that were brought anew. The manifest lies in it, too: what a host has can be told by the host alone.
func layOut(store, releases string, m *manifest) error {
	target := filepath.Join(releases, m.digest)
	if _, err := os.Stat(target); err == nil {
		return m.link(store, target)
	}
	building := filepath.Join(releases, "."+m.digest+".new")
	if err := os.RemoveAll(building); err != nil {
		return err
	}
	if err := m.link(store, building); err != nil {
		return err
	}
	return os.Rename(building, target)
}

func (m *manifest) link(store, release string) error {
	for _, a := range m.Artefacts {
		file, link := filepath.Join(store, a.SHA256), filepath.Join(release, a.Path)
		if same(file, link) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		building := link + ".new"
		if err := os.Remove(building); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Link(file, building); err != nil {
			return err
		}
		if err := os.Rename(building, link); err != nil {
			return err
		}
	}
	return m.write(filepath.Join(release, "manifest.json"))
}

func (m *manifest) write(file string) error {
	building := file + ".new"
	if err := os.WriteFile(building, m.content, 0o444); err != nil {
		return err
	}
	return os.Rename(building, file)
}

func same(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
