"""Operation: one call of an operation of keras.ops, and the form of one that torch has not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity.ports.form import Applied, Form, Layout, keyword, literal


@dataclass(frozen=True)
class Operation:
    """One call of an operation.

    Attributes:
        name: Keras's name of its class.
        arguments: in their order, as source; a tensor is "{0}", "{1}".
        values: the same as values; a tensor is None.
        settings: by name, of the operation and of the call.
    """

    name: str
    arguments: Sequence[str]
    values: Sequence[Any]
    settings: Mapping[str, Any]

    def setting(self, name: str, place: int, default: Any = None) -> Any:
        """Returns a setting that may also stand at a place among the arguments."""
        if name in self.settings:
            return self.settings[name]
        return self.values[place] if place < len(self.values) else default


Row = Callable[[Operation, Applied], Form]


def other(operation: Operation, call: Applied) -> Form:
    """The form of an operation without a row: Keras's operation, as `torch_impl` has it."""
    told = [*operation.arguments, *(keyword(k, literal(v)) for k, v in operation.settings.items())]
    text = f"OPERATIONS[{literal(operation.name)}]({', '.join(told)})"
    return Form(text, None, Layout.LAST, note="keras.ops's own rules")
