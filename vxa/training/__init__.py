"""Training of papercut's weights: `python -m vxa.training vae|unet|judge` (extra `train`)."""
