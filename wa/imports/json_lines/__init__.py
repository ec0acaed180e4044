"""The import of messages in JSON Lines, which `wa export` writes."""
