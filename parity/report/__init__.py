"""Reports: a Result in, something to look at out."""
