"""Files: reading, checking and writing files, from us or from anyone."""
