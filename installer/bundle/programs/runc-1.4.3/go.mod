// Pins runc 1.4.3 and all it is built from.
module moorage.dev/runc

go 1.26

require github.com/opencontainers/runc v1.4.3
