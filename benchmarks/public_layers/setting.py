"""Setting: one public layer of Keras with some arguments, and the inputs that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras import layers

# No two sides are alike, and none is the number of channels.
FEATURES, SEQUENCES, IMAGES, VOLUMES = (6,), (7, 4), (6, 5, 4), (4, 5, 3, 2)
Arguments = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class Given:
    """An input of a model.

    Attributes:
        shape: without the axis of the samples.
        high: values are integers below it; None: they are real numbers.
        is_masked: some steps are masked.
    """

    shape: tuple[int, ...]
    high: int | None = None
    is_masked: bool = False


@dataclass(frozen=True)
class Setting:
    """A layer with some arguments.

    Attributes:
        layer: its name in keras.layers.
        number: counts the settings of the layer, from 1.
        arguments: of the layer; a function makes those that contain layers.
        given: the inputs.
        options: of the call.
        form: how the layer takes its inputs: "one", "list" or "separate".
        around: makes the layer that is called, such as the RNN of a cell.
    """

    layer: str
    number: int
    arguments: Arguments
    given: tuple[Given, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    form: str = "one"
    around: Callable[[Any], Any] | None = None

    @property
    def name(self) -> str:
        """The name of a factory: the layer and its number."""
        return f"{self.layer}_{self.number}"

    @property
    def dtype(self) -> str:
        """In which the twin is compared: Keras has some layers in float32 alone.

        It draws its random images so.
        """
        draws = self.layer.startswith("Random") or self.layer == "Solarization"
        return "float32" if draws else "float64"

    @property
    def is_rounded(self) -> bool:
        """Whether Keras computes in float32, in a float64 model, too."""
        return self.dtype == "float32" or self._is_resized or self.layer == "MelSpectrogram"

    @property
    def is_drawn_alike(self) -> bool:
        """Whether a twin can draw as Keras does: some layers leave their seed out of the config."""
        if self.layer == "RandomGrayscale":
            return False
        return self.layer != "SimpleRNN" or "dropout" not in self._settings

    @property
    def _settings(self) -> Mapping[str, Any]:
        return {} if callable(self.arguments) else self.arguments

    @property
    def _interpolation(self) -> str:
        default = "nearest" if self.layer == "UpSampling2D" else "bilinear"
        return str(self._settings.get("interpolation", default))

    @property
    def _is_resized(self) -> bool:
        kinds = ("Resizing", "CenterCrop", "UpSampling2D")
        return self.layer in kinds and self._interpolation != "nearest"

    def make(self) -> Any:
        """Returns a new layer of the class itself."""
        arguments = self.arguments() if callable(self.arguments) else self.arguments
        kind = getattr(layers, self.layer)
        return kind(**arguments, name=self.name)

    def call(self, tensors: list[Any]) -> list[Any]:
        """Returns the outputs of a new layer, in one list."""
        layer = self.make()
        if self.around is not None:
            layer = self.around(layer)
        if self.form == "separate":
            made = layer(*tensors, **self.options)
        else:
            made = layer(tensors if self.form == "list" else tensors[0], **self.options)
        return _flat(made)


def _flat(made: Any) -> list[Any]:
    if isinstance(made, list | tuple):
        return [each for entry in made for each in _flat(entry)]
    return [made]


def settings(
    layer: str,
    given: tuple[int, ...] | Given | tuple[Given, ...],
    *arguments: Arguments,
    options: Mapping[str, Any] | None = None,
    form: str = "one",
    around: Callable[[Any], Any] | None = None,
) -> list[Setting]:
    """Returns a setting for each of the arguments.

    Args:
        layer: its name in keras.layers.
        given: an input, its shape, or several inputs.
        *arguments: of the layer.
        options: of the call.
        form: "one", "list" or "separate".
        around: makes the layer that is called.
    """
    if isinstance(given, Given):
        inputs: tuple[Given, ...] = (given,)
    elif any(isinstance(each, Given) for each in given):
        inputs = given  # type: ignore[assignment]
    else:
        inputs = (Given(given),)  # type: ignore[arg-type]
    return [Setting(layer, 0, each, inputs, options or {}, form, around) for each in arguments]


def numbered(*families: list[Setting]) -> dict[str, Setting]:
    """Returns all settings by their names, those of a layer numbered from 1."""
    counts: dict[str, int] = {}
    found: dict[str, Setting] = {}
    for setting in (each for family in families for each in family):
        number = counts[setting.layer] = counts.get(setting.layer, 0) + 1
        values = {**vars(setting), "number": number}
        made = Setting(**values)
        found[made.name] = made
    return found
