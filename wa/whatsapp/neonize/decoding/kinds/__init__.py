"""The kinds of messages: what is made of each field of WhatsApp's `Message`."""
