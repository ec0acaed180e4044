"""What WhatsApp's own "Export chat" wrote."""
