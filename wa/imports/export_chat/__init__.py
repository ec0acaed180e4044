"""The import of files of WhatsApp's own "Export chat"."""
