"""Watching the attention layers of a network without changing what it computes."""
