"""Keeping what arrives: the file that events are appended to, and the thread that records them."""
