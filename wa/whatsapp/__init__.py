"""The transport to WhatsApp: a protocol, and two implementations."""
