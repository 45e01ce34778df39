"""VXA inside a Stable Diffusion webui: its tab, over the checkpoint that the webui has loaded."""
