"""Contacts: names, numbers, recipients, and vCards."""
