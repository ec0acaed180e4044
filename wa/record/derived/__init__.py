"""What can be made anew from other data: whether it is what that says, and its repair."""
