package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

const (
	certificate = "/tls/tls.crt" // of a Secret that is mounted where this is a webhook
	key         = "/tls/tls.key"
)

// review is an AdmissionReview of admission.k8s.io/v1, as far as it matters here.
type review struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Request    struct {
		UID    string `json:"uid"`
		Object struct {
			Data map[string]string `json:"data"`
		} `json:"object"`
	} `json:"request"`
	Response struct {
		UID     string `json:"uid"`
		Allowed bool   `json:"allowed"`
		Status  struct {
			Message string `json:"message"`
		} `json:"status"`
	} `json:"response"`
}

// judge refuses ConfigMaps that have an entry "colour" other than blue.
func judge() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var one review
		if err := json.NewDecoder(r.Body).Decode(&one); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		colour, has := one.Request.Object.Data["colour"]
		one.Response.UID = one.Request.UID
		one.Response.Allowed = !has || colour == "blue"
		one.Response.Status.Message = fmt.Sprintf("%s is not blue", colour)
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(one); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServeTLS(":8443", certificate, key, handler))
	os.Exit(1)
}
