"""Contacts: names, numbers, recipients; address books imported and exported."""
