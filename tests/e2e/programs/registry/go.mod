module moorage.dev/tests/registry

go 1.26
