"""Samples: inputs and targets for the probes of a pair, drawn, or taken from the user's data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity import probe_inputs
from parity.check_spec import CheckSpec
from parity.errors import InputError


class Samples:
    """Draws batches; where the spec names data, takes them from there in order.

    Args:
        spec: gives seed and data.
        signature: of the model's inputs: name, shape of a sample, number of tokens or None.
    """

    def __init__(self, spec: CheckSpec, signature: Sequence[dict[str, Any]]) -> None:
        self.seed = spec.seed
        self.signature = list(signature)
        self._arrays: tuple[np.ndarray, np.ndarray] | None = None
        self._position = 0
        if spec.data is not None:
            self._arrays = _read(Path(spec.folder) / spec.data, self.signature)

    def inputs(self, purpose: str, num: int) -> list[np.ndarray]:
        """Returns a batch of `num` samples, an array for each input, float64 or int64."""
        if self._arrays is not None and purpose != "eval":
            rows = self._rows(purpose, num)
            return [self._arrays[0][rows]]
        drawn = []
        for entry in self.signature:
            name = f"{purpose}/{entry['name']}"
            shape = probe_inputs.input_shape(entry["shape"])
            if entry["tokens"]:
                drawn.append(probe_inputs.tokens(self.seed, name, num, shape, entry["tokens"]))
            else:
                drawn.append(probe_inputs.features(self.seed, name, num, shape))
        return drawn

    def targets(self, purpose: str, num: int, kind: str, shape: tuple[int, ...]) -> np.ndarray:
        """Returns targets of a kind for `num` outputs of a shape."""
        if self._arrays is not None and purpose != "confident":
            y = self._arrays[1][self._rows(purpose, num)]
            return np.eye(shape[-1])[y] if kind == "one_hot" and y.ndim == 1 else y
        return self.drawn_targets(self.seed, purpose, num, kind, shape)

    @staticmethod
    def drawn_targets(
        seed: int, purpose: str, num: int, kind: str, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Returns random targets: classes, one_hot, distribution, binary, counts, values."""
        draw = probe_inputs.generator(seed, "target", purpose)
        if kind in ("classes", "one_hot"):
            classes = draw.integers(0, shape[-1], size=(num, *shape[:-1]))
            return classes if kind == "classes" else np.eye(shape[-1])[classes]
        if kind == "distribution":
            values = draw.uniform(0.1, 1, size=(num, *shape))
            return np.asarray(values / values.sum(-1, keepdims=True))
        if kind == "binary":
            return draw.integers(0, 2, size=(num, *shape)).astype(np.float64)
        if kind == "counts":
            return draw.poisson(2.0, size=(num, *shape)).astype(np.float64)
        return draw.normal(size=(num, *shape))

    def _rows(self, purpose: str, num: int) -> np.ndarray:
        assert self._arrays is not None
        start = int(
            probe_inputs.generator(self.seed, "rows", purpose).integers(len(self._arrays[0]))
        )
        return (start + np.arange(num)) % len(self._arrays[0])


def _read(path: Path, signature: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    if len(signature) != 1:
        raise InputError(f"--data {path}: the model has {len(signature)} inputs; expected one")
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            x_name = next((n for n in ("x", "x_train") if n in names), None)
            y_name = next((n for n in ("y", "y_train") if n in names), None)
            if x_name is None or y_name is None:
                raise InputError(
                    f"--data {path}: it has {', '.join(names) or 'no arrays'}; expected x and y, "
                    "or x_train and y_train"
                )
            x, y = archive[x_name], archive[y_name]
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"--data {path}: expected a .npz with x and y ({error})") from error
    expected = tuple(signature[0]["shape"])
    fits = len(x.shape) == len(expected) + 1 and all(
        a is None or a == b for a, b in zip(expected, x.shape[1:], strict=True)
    )
    if not len(x) or len(x) != len(y) or not fits:
        raise InputError(
            f"--data {path}: x of shape {x.shape} and y of shape {y.shape}; expected as many "
            f"samples in both, of shape {expected}"
        )
    if not np.isfinite(np.asarray(x, np.float64)).all():
        raise InputError(f"--data {path}: x has values that are not finite")
    is_whole = signature[0]["tokens"] is not None
    return x.astype(np.int64 if is_whole else np.float64), y
