"""Files that are sent and received, and the vCards in files and messages."""
