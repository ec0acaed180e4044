"""The record: chats, messages, search, and the phone's history."""
