"""from_keras_config: the torch twin of a Keras model, from what Keras itself writes about it.

`graph` reads the calls of the layers out of the config, `builders` and `operations` make a module
of each layer and of each keras.ops operation, `model` runs them.
"""

from torch_impl.keras_config.model import KerasModel, from_keras_config

__all__ = ["KerasModel", "from_keras_config"]
