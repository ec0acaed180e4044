"""The history beyond what the phone sends by itself: older messages that it is asked for."""
