"""Snapshots: made, uploaded, thinned out, restored."""
