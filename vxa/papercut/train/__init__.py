"""How papercut's weights are made: `python -m vxa.papercut.train vae|unet|judge` (extra `train`)."""
