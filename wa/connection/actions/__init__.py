"""What is asked of the owner of the connection and done once: changes of messages, of groups, of people."""
