"""The chat page: the page itself, and the two addresses that it speaks with."""
