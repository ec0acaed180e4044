"""What is done once by a query: changes of groups, and of the list of blocked people."""
