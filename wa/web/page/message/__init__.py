"""The screen of one message: what became of it, and what can be done with it."""
