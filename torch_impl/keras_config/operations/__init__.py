"""The keras.ops operations in a functional model, such as x + y, as modules.

A file has the operations of one family, by Keras's class names: `elementwise`, `reductions`,
`shaping` and `selection` those of keras.ops.numpy and keras.ops.core, `algebra` those of
keras.ops.linalg, and products, `activation` and `crossentropy` those of keras.ops.nn, and `images`
those of keras.ops.image. `operation` joins them.

Axes have Keras's meaning, since tensors between layers have Keras's layout. A number beside a
tensor takes its dtype, as in Keras.
"""

from torch_impl.keras_config.operations.operation import OPERATIONS, Operation

__all__ = ["OPERATIONS", "Operation"]
