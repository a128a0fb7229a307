"""Keras's layers that augment, resize and crop images; `torch_impl.layers` exports them."""
