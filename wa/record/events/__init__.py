"""The log of what happened, for those who are told of it: listeners, streams, hooks."""
