"""The HTTP API: what programs and agents use instead of the command line."""
