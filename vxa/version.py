"""The package's version, in a file that anything may import without a cycle."""

__version__ = "0.1.0"
