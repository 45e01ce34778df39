"""Readers of the prompt that an image was made from, one for each program that writes it into images."""
