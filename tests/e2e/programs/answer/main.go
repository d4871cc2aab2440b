// answer is what the tests run in clusters: it tells its host name, or who asks, over HTTP, asks others for theirs, judges ConfigMaps
// as an admission webhook, keeps a CPU or a log busy, and is the tar that `kubectl cp` runs.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

func main() {
	switch {
	case filepath.Base(os.Args[0]) == "tar":
		os.Exit(tar(os.Args[1:]))
	case len(os.Args) > 1 && os.Args[1] == "burn":
		burn()
	case len(os.Args) > 1 && os.Args[1] == "chatter":
		chatter()
	case len(os.Args) > 1:
		os.Exit(ask(os.Args[1]))
	}
	if _, err := os.Stat(certificate); err == nil {
		go judge()
	}
	name := greet()
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
	http.HandleFunc("/caller", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.RemoteAddr) })
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":8080", nil))
	os.Exit(1)
}

func greet() string {
	name, _ := os.Hostname() // an empty name fails the test, too
	fmt.Println("answering as", name)
	return name
}

// chatter writes a line twice a second, for ever.
func chatter() {
	for ; ; time.Sleep(500 * time.Millisecond) {
		greet()
	}
}

// burn takes a fifth of a CPU, for ever.
func burn() {
	for {
		for started := time.Now(); time.Since(started) < 20*time.Millisecond; {
		}
		time.Sleep(80 * time.Millisecond)
	}
}

// ask asks once a line of output; a new connection each time, so that a Service may choose anew.
func ask(url string) int {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 20 {
		response, err := client.Get(url)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		_, err = io.Copy(os.Stdout, response.Body)
		_ = response.Body.Close()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}
