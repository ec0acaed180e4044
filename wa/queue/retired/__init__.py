"""Old rows of the queue: what still needs a message, what goes to an archive, and keys that stay used."""
