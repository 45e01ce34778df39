"""Tracing the webui's own generations: what each word painted, in the gallery."""
