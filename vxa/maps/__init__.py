"""Heat maps: values that answer every question about what was recorded."""
