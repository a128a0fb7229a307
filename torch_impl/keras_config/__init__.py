"""from_keras_config: the torch twin of a Keras model, from the config that Keras writes.

`graph` reads the calls of the layers from the config. `builders` makes a module of each layer by
the table in `rows`, `operations` of each keras.ops operation, and `model` runs them.
"""

from torch_impl.keras_config.model import KerasModel, from_keras_config
from torch_impl.keras_config.rows.entry import Entry
from torch_impl.keras_config.rules import NoTwinError

__all__ = ["Entry", "KerasModel", "NoTwinError", "from_keras_config"]
