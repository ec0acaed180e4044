"""Files that are sent and received."""
