"""Settings of every public class of keras.layers, for `benchmarks/accuracy/public_layers.py`."""
