"""How WhatsApp is reached: a protocol, and two implementations."""
