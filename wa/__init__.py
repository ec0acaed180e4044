"""wa: a person's own WhatsApp account from a terminal and a small server."""

__version__ = "0.1.0"
