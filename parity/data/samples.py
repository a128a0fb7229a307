"""Samples: inputs and targets for the probes of a pair, random or from the user's data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from parity.data import probe_inputs
from parity.data.given_samples import read_samples
from parity.data.model_inputs import ModelInput
from parity.errors import InputError
from parity.programs.check_spec import CheckSpec

# Output of a sigmoid before it, by dtype: 1 - p is 2e-9, and 9e-4.
_SUREST = {"float64": 20.0, "float32": 7.0}
# Output of a softmax before it: the least p is then 2e-35, which float32 still holds.
_LARGEST_IN_FLOAT32 = 25.0
# Forms of targets that losses of the user's own may take, beside those of Keras's losses.
OTHER_FORMS = ("labels", "class", "flag", "value")


class Samples:
    """Draws batches, or takes them in order from the data that the spec names.

    Args:
        spec: contains the seed, the size of a batch and the data.
        inputs: of the model.
        batch_size: the only one that the model takes; None: that of the spec.
    """

    def __init__(
        self, spec: CheckSpec, inputs: Sequence[ModelInput], batch_size: int | None = None
    ) -> None:
        self.seed = spec.seed
        self.model_inputs = tuple(inputs)
        self.fixed = batch_size
        self.batch_size = batch_size or spec.batch_size
        self._given: tuple[list[np.ndarray], dict[str, np.ndarray]] | None = None
        if spec.data is not None:
            self._given = read_samples(Path(spec.folder) / spec.data, self.model_inputs)

    @property
    def has_data(self) -> bool:
        """Whether the samples are the user's own."""
        return self._given is not None

    @property
    def given_targets(self) -> tuple[str, ...]:
        """The outputs whose targets are the user's own, in order; "" stands for an only one."""
        return () if self._given is None else tuple(sorted(self._given[1]))

    def of_seed(self, seed: int) -> Samples:
        """Returns those of another seed, of the same inputs and the same data."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def sizes(self, steps: int) -> list[int]:
        """Returns the sizes of the batches of some steps; the last are smaller, if they may be."""
        if self.fixed is not None:
            return [self.fixed] * steps
        return probe_inputs.batches(steps, self.batch_size)

    def inputs(self, purpose: str, num: int) -> list[np.ndarray]:
        """Returns a batch of `num` samples, one array per input; see `ModelInput.drawn`."""
        if self._given is not None and purpose != "eval":
            rows = self._rows(purpose, num)
            return [array[rows] for array in self._given[0]]
        return [each.drawn(self.seed, purpose, num) for each in self.model_inputs]

    def targets(
        self, purpose: str, num: int, kind: str, shape: tuple[int, ...], output: str = ""
    ) -> np.ndarray:
        """Returns targets of a kind for `num` outputs of one shape.

        Args:
            purpose: of the batch.
            num: of its samples.
            kind: see `drawn_targets`.
            shape: of one sample of the output.
            output: its name, of several; those of `given_targets` are not drawn.

        Raises:
            InputError: the user's do not suit the kind.
        """
        if self._given is not None and purpose != "confident" and output in self._given[1]:
            y = self._given[1][output]
            _check_targets(f"y_{output}" if output else "y", y, kind, shape)
            rows: np.ndarray = y[self._rows(purpose, num)]
            return np.eye(shape[-1])[rows] if kind == "one_hot" and y.ndim == 1 else rows
        drawn = f"{purpose}/{output}" if output else purpose
        return self.drawn_targets(self.seed, drawn, num, kind, shape)

    @staticmethod
    def drawn_targets(
        seed: int, purpose: str, num: int, kind: str, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Returns random targets of a kind.

        They are classes, one_hot, distribution, binary, shares (from 0 to 1), counts, values; or
        `OTHER_FORMS`: labels (N, L) of sequences, from 1 on and filled up with 0; one class, flag
        or value per sample.
        """
        draw = probe_inputs.generator(seed, "target", purpose)
        if kind in OTHER_FORMS:
            return _of_other_form(draw, num, kind, shape)
        if kind in ("classes", "one_hot"):
            classes = draw.integers(0, shape[-1], size=(num, *shape[:-1]))
            return classes if kind == "classes" else np.eye(shape[-1])[classes]
        if kind == "distribution":
            values = draw.uniform(0.1, 1, size=(num, *shape))
            return probe_inputs.single(values / values.sum(-1, keepdims=True))
        if kind == "binary":
            return draw.integers(0, 2, size=(num, *shape)).astype(np.float64)
        if kind == "shares":
            return probe_inputs.single(draw.uniform(size=(num, *shape)))
        if kind == "counts":
            return draw.poisson(2.0, size=(num, *shape)).astype(np.float64)
        return probe_inputs.single(draw.normal(size=(num, *shape)))

    @staticmethod
    def confident(
        seed: int, kind: str, shape: tuple[int, ...], dtype: str = "float64", name: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns outputs before the activation, with growing confidence, and their targets.

        Whatever is drawn, one of the most confident outputs is wrong, and its probability is 0 or 1
        in float32, so that a loss that clips probabilities at 1e-7 shows it. Outputs of a sigmoid
        are at most 20 from 0, in float32 7: further out, 1 - p is lost, and `nn.BCELoss` is another
        loss for probabilities than for logits.

        Args:
            seed: seed of the check.
            kind: kind of the targets.
            shape: shape of one output.
            dtype: of the port.
            name: of one of several outputs; "": there is one.
        """
        draw = probe_inputs.generator(seed, "confident", *([name] if name else []))
        scales = np.array([1, 3, 10, 40] * 2).reshape(-1, *[1] * len(shape))
        linear = probe_inputs.single(draw.normal(size=(8, *shape)) * scales)
        purpose = f"confident/{name}" if name else "confident"
        y = Samples.drawn_targets(seed, purpose, 8, kind, shape)
        surest = linear[3]
        if kind in ("classes", "one_hot"):
            if dtype == "float32":
                np.clip(linear, -_LARGEST_IN_FLOAT32, _LARGEST_IN_FLOAT32, out=linear)
            least = surest.argmin(-1)
            lower = probe_inputs.single(surest.min(-1, keepdims=True) - 30)
            np.put_along_axis(surest, least[..., None], lower, -1)
            y[3] = least if kind == "classes" else np.eye(shape[-1])[least]
        elif kind == "binary":
            most = _SUREST[dtype]
            surest[...] = np.where(surest < 0, -most, most)
            y[3] = surest < 0
            linear = np.clip(linear, -most, most)
        return linear, y

    def _rows(self, purpose: str, num: int) -> np.ndarray:
        assert self._given is not None
        return self.rows(purpose, num, len(self._given[0][0]))

    def rows(self, purpose: str, num: int, count: int) -> np.ndarray:
        """Returns the rows of a batch in arrays of `count` samples; the first follow the last."""
        start = int(probe_inputs.generator(self.seed, "rows", purpose).integers(count))
        return (start + np.arange(num)) % count


def _of_other_form(
    draw: np.random.Generator, num: int, kind: str, shape: tuple[int, ...]
) -> np.ndarray:
    if kind == "class":
        return draw.integers(0, shape[-1], size=num)
    if kind == "flag":
        return draw.integers(0, 2, size=(num, 1)).astype(np.float64)
    if kind == "value":
        return probe_inputs.single(draw.normal(size=num))
    # Twice as many labels, less one, fit into the steps: CTC needs a blank between two equal ones.
    most = max(1, shape[0] // 3)
    drawn = draw.integers(1, max(2, shape[-1]), size=(num, most))
    lengths = draw.integers(1, most + 1, size=(num, 1))
    lengths[0] = most
    drawn[np.arange(most) >= lengths] = 0
    return drawn


def _check_targets(name: str, y: np.ndarray, kind: str, shape: tuple[int, ...]) -> None:
    """Rejects targets that the loss cannot use; a loss of unknown kind is not checked."""
    is_labels = kind == "classes" or (kind == "one_hot" and y.ndim == 1)
    if is_labels:
        fits = y.shape[1:] in (shape[:-1], (*shape[:-1], 1)) and y.dtype.kind == "i"
        if not fits or y.min() < 0 or y.max() >= shape[-1]:
            raise InputError(
                f"--data: {name} of shape {y.shape} and type {y.dtype.name}, from {y.min()} to "
                f"{y.max()}; expected classes in [0, {shape[-1]}), one for each output"
            )
    elif kind != "values" and y.shape[1:] != shape and (*y.shape[1:], 1) != shape:
        raise InputError(f"--data: {name} of shape {y.shape}; expected samples of shape {shape}")
