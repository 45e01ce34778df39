"""Papercut, the embedded world: captioned scenes with exact masks, and a small model trained on them."""

from .scene import Scene, Thing, scene

__all__ = ["Scene", "Thing", "scene"]
