// Pins the CNI plugins 1.9.1 and all they are built from.
module moorage.dev/cni

go 1.26

require github.com/containernetworking/plugins v1.9.1
