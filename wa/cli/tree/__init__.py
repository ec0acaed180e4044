"""The tree of commands: where each is, how it is built, and which commands a read-only wa runs."""
