"""Endpoints under which something is done with messages, groups and people, as on the phone."""
