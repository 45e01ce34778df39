"""Heat maps of words and tokens, computed from recorded attention."""
