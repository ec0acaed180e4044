"""What `make bench` measures: wa beside the least that the same work can cost on this machine."""
