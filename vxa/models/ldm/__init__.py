"""Model objects of ldm and sgm, and papercut as a checkpoint that ldm loads."""
