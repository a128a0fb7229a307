"""Keras models with a train_step of their own, and right and wrong ports of them."""
