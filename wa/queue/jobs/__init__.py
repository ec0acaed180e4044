"""Jobs: many recipients, one or more parts each. Their messages are rows of the one queue."""
