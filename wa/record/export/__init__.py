"""The export of messages to files: as JSON Lines, as a table, as a page."""
