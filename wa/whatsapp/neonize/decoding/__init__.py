"""What arrives, in our form: the library's events and WhatsApp's messages become the events of `wa`."""
