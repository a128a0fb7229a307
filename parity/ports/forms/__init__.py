"""The table of forms: a file has the rows of one family."""
