"""Files in and out: images, saved maps, masks, infotexts, always written whole or not at all."""
