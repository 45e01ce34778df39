"""Image generation from prompts, and previews of unfinished images."""
