// Pins containerd 2.4.2 and all it is built from.
module moorage.dev/containerd

go 1.26.6

require github.com/containerd/containerd/v2 v2.4.2
