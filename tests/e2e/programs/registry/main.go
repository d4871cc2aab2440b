// A registry with one image, over TLS, for those who log in: the pull half of the OCI distribution protocol.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

type descriptor struct {
	MediaType string `json:"mediaType"`
	Size      int    `json:"size"`
	Digest    string `json:"digest"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type registry struct {
	blobs    map[string][]byte // by digest, the manifest among them
	manifest string            // its digest
	users    string            // a file with one line, USER:PASSWORD, read at each request
}

func main() {
	listen := flag.String("listen", ":5443", "where")
	certificate := flag.String("certificate", "", "PEM file")
	key := flag.String("key", "", "PEM file")
	users := flag.String("users", "", "file with USER:PASSWORD")
	image := flag.String("image", "", "docker-archive")
	flag.Parse()
	r := &registry{blobs: map[string][]byte{}, users: *users}
	if err := r.load(*image); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServeTLS(*listen, *certificate, *key, r))
}

func (r *registry) load(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			return err
		}
	}
	var index []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &index); err != nil {
		return err
	}
	made := manifest{
		SchemaVersion: 2,
		MediaType:     manifestType,
		Config:        r.add("application/vnd.docker.container.image.v1+json", files[index[0].Config]),
	}
	for _, layer := range index[0].Layers {
		made.Layers = append(made.Layers, r.add("application/vnd.docker.image.rootfs.diff.tar", files[layer]))
	}
	text, err := json.Marshal(made)
	if err != nil {
		return err
	}
	r.manifest = r.add(manifestType, text).Digest
	return nil
}

func (r *registry) add(mediaType string, content []byte) descriptor {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	r.blobs[digest] = content
	return descriptor{mediaType, len(content), digest}
}

func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	known, err := os.ReadFile(r.users)
	user, password, _ := q.BasicAuth()
	if err != nil || user+":"+password != strings.TrimSpace(string(known)) {
		w.Header().Set("WWW-Authenticate", `Basic realm="images"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
		return
	}
	kind, digest := "", q.URL.Path[strings.LastIndex(q.URL.Path, "/")+1:]
	if strings.Contains(q.URL.Path, "/manifests/") {
		kind = manifestType
		if !strings.Contains(digest, ":") {
			digest = r.manifest
		}
	}
	content, found := r.blobs[digest]
	if !found {
		http.Error(w, `{"errors":[{"code":"NOT_FOUND"}]}`, http.StatusNotFound)
		return
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = w.Write(content)
}
