"""Who holds the connection to WhatsApp, and how the others get something done by it."""
