"""What was said: chats, messages, search, and the phone's history."""
