"""Programs and web addresses that hear of events."""
