"""Access to the webui: the only modules that import its `modules`; they keep nothing of it between calls."""
