// Pins metrics-server 0.9.0 and all it is built from.
module moorage.dev/metrics-server

go 1.26.4

require sigs.k8s.io/metrics-server v0.9.0
