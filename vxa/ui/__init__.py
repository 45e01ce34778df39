"""The page: one panel for the standalone app and for hosts, and the plain functions behind it."""
