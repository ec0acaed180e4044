"""Figures: what was sent and received in a span of days, and how much is stored."""
