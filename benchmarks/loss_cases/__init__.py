"""Models with several outputs, added losses and weights of samples, and their ports."""
