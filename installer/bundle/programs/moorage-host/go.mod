module moorage.dev/moorage-host

go 1.26
