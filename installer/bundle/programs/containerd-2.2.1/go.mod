// Pins containerd 2.2.1 and all it is built from.
module moorage.dev/containerd

go 1.26

require github.com/containerd/containerd/v2 v2.2.1
