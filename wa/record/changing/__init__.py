"""Changing messages: which one a user means, and which of its changes people's apps would follow."""
