// answer is what the tests run in clusters: it tells its host name over HTTP, and asks others for theirs.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		os.Exit(ask(os.Args[1]))
	}
	name, _ := os.Hostname() // an empty name fails the test, too
	fmt.Println("answering as", name)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":8080", handler))
	os.Exit(1)
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
