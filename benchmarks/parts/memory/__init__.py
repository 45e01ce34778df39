"""Parts of memory.py: a pipeline of a family's true shape, and its peaks on a device."""
