"""Messages that are more than a text or a file: polls, places, contacts, stickers, mentions, forwards."""
