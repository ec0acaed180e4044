"""The owner of the connection to WhatsApp, and the requests of other processes to it."""
