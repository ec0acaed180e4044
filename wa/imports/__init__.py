"""Data taken over from other tools."""
