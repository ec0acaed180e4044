"""What `wa serve` and `wa mcp` share: threads that work with the store, and messages that programs send."""
