"""Recurrent models with Keras's own settings, and ports of them by hand: right ones, wrong ones."""
