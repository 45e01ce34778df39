"""Parts of the page's report, a module each, and what they share: harness and page."""
