"""Making pictures: a prompt to an image, and previews of what it is heading for."""
