"""Building messages for the WhatsApp library."""
