"""Files of Keras 2 for `accuracy/old_files.py`, and what writes them."""
