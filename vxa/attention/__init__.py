"""Watching the attention layers (sites) of a network without changing what it computes."""
