"""Backups: making, uploading, pruning and restoring snapshots of the store."""
