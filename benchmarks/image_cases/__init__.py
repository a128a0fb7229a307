"""Ports of models with random layers of images, right ones and wrong ones."""
