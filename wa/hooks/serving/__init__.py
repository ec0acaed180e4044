"""Serving the hooks: a worker for each, and what each has yet to hear."""
