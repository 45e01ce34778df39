"""Pipelines whose generations are traced, the tools that trace them, and what is measured of them."""
