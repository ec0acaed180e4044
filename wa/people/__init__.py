"""Contacts: names, numbers, whom a word means, and vCards."""
