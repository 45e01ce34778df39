"""Tracing of the webui's own generations: the heat maps of the prompt's words, in the gallery."""
