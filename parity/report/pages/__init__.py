"""Pages: turns each kind of result into one page, which all renderers show."""
