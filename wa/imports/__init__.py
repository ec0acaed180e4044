"""The import of data from other tools."""
