"""Operation: one keras.ops operation as a module, and the table of all families."""

from __future__ import annotations

import functools
from typing import Any

from torch import nn

from torch_impl.keras_config.operations import elementwise, reductions, shaping
from torch_impl.keras_config.operations.elementwise import Function
from torch_impl.torch_names import one_of

_HERE = "the operations in torch_impl.keras_config.operations.OPERATIONS"

# By Keras's class names.
OPERATIONS: dict[str, Function] = {
    **elementwise.ROWS,
    **reductions.ROWS,
    **shaping.ROWS,
    **shaping.ROWS_OF_SELECTION,
    **reductions.ROWS_OF_ALGEBRA,
    **elementwise.ROWS_OF_ACTIVATION,
    **elementwise.ROWS_OF_CROSSENTROPY,
    **shaping.ROWS_OF_IMAGES,
}


class Operation(nn.Module):
    """One keras.ops operation with its settings.

    Args:
        name: Keras's name of its class.
        **settings: its config: axis, keepdims, ...

    Raises:
        ValueError: `name` is not in `OPERATIONS`, or channels come first.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__()
        if name not in OPERATIONS:
            expected = one_of(name, OPERATIONS, _HERE)
            raise ValueError(f"operation {name!r}: {expected}")
        if settings.get("data_format") == "channels_first":
            message = "data_format='channels_first': expected 'channels_last'"
            raise ValueError(f"operation {name!r} with {message}")
        self.function = functools.partial(OPERATIONS[name], **settings)
        self.name, self.settings = name, settings

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """Returns what the keras.ops operation returns for the arguments."""
        return self.function(*arguments, **options)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return ", ".join([self.name, *(f"{k}={v}" for k, v in self.settings.items())])
