"""Reading and writing of files: images, saved maps, masks, infotexts. Writes are atomic."""
