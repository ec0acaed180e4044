"""The words, phrases and calendars of phones in all languages."""
