"""The people's side: one room a channel."""
