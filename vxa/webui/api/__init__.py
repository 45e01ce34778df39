"""The HTTP API beside the webui's own: `/vxa/v1/…`."""
