// Pins MetalLB 0.15.2 and all it is built from.
module moorage.dev/metallb

go 1.26.4

require go.universe.tf/metallb v0.15.2
