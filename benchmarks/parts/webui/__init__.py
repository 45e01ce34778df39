"""Parts of the webui's report: in the webui's process (`inside`), and over its API (`generation`)."""
