"""Groups: who is in them."""
