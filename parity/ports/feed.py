"""Feed: what of train.py feeds images as the Keras program does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.ports.form import literal
from parity.ports.own.stub_text import quoted, raised
from parity.ports.wrapping import commented

Facts = Mapping[str, Any]
# Of a map of layers and a name: the class, its file, statements, and sentences on what lacks.
Model = Callable[[Facts, str], tuple[str, str, list[str], list[str]] | None]
NAMES = (
    *("augmentation", "validation_augmentation", "flow", "fitted", "batches"),
    *("validation_batches", "preprocessing_function", "validation_preprocessing_function"),
)


@dataclass
class Feed:
    """How train.py feeds a training.

    Attributes:
        functions: sources of functions.
        given: arguments of `Port`.
        training: arguments of `Trainer.fit` for the samples; none: they are arrays.
        validation: that for the validation; "": arrays.
        files: further files of the package.
        imports: name -> module of `torch_impl`.
        classes: class of a file of the package -> name of that file.
        is_shuffled: whether each epoch has an order of its own.
        left_out: a sentence for each part that is missing.
        differs: one for each that cannot be Keras's.
        data: one for each thing that the file of data holds.
    """

    functions: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    training: list[str] = field(default_factory=list)
    validation: str = ""
    files: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    is_shuffled: bool = True
    left_out: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)

    @property
    def is_written(self) -> bool:
        """Whether the samples of the training are no arrays."""
        return bool(self.training)


class Told:
    """Settings that a reader takes, one by one; those that nobody takes are left.

    Args:
        settings: by name.
    """

    def __init__(self, settings: Facts) -> None:
        self._left = dict(settings)

    def take(self, name: str, default: Any = None) -> Any:
        """Returns a setting, which is then written."""
        return self._left.pop(name, default)

    def has(self, name: str) -> bool:
        """Whether a setting is still there."""
        return name in self._left

    @property
    def left(self) -> list[str]:
        """The settings that nobody has taken."""
        return [f"{name}={literal(value)}" for name, value in self._left.items()]


def stub(lines: list[str], told: str, source: Facts, text: str) -> str:
    """Returns the source of a function that is to be written.

    Args:
        lines: its head and docstring.
        told: what is to be written.
        source: of Keras's function, as the Keras half quotes it.
        text: of the error that it raises.
    """
    lines += commented(told, "    ")
    lines += [line.removeprefix("    ") for line in [*quoted(source), *raised(text)]]
    return "\n".join(lines)
