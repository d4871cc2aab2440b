"""Tests that share one platform, the first example: a package, so that its fixtures last as long as all of them."""
