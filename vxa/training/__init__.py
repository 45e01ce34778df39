"""How papercut's weights are made: `python -m vxa.training vae|unet|judge` (extra `train`)."""
