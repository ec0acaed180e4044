"""The queue of messages to send: each message is a row, and is sent at most once."""
