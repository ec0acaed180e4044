"""The owner of the connection to WhatsApp, and how other processes get something done by it."""
