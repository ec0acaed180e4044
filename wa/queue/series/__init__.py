"""Series: messages that are sent again and again, by a rule."""
