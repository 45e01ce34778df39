"""Model objects of ldm and sgm, and papercut written as a checkpoint that they load."""
