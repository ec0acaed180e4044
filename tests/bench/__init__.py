"""The benchmark of `make bench`: wa beside the least that the same work costs on this machine."""
