"""Measuring maps against exact masks."""
