"""A local stand-in for WhatsApp."""
