"""What is to be sent: each message a row, handed over at most once."""
