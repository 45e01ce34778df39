"""Measurement of heat maps against exact masks."""
