"""The screen with figures: what was sent and received, in tables with bars."""
