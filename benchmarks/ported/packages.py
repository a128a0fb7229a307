"""One Keras program in this process: the package that is written of it, and what both compute.

All is in float64. Every weight is random, so that none is 0 or 1 and each has an effect, and is
rounded to float32, as the file of a package has it.
"""

from __future__ import annotations

import importlib
import inspect
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.ported.programs import ROOT, Program
from keras_impl.reference import Reference
from parity.data.samples import Samples
from parity.halves.keras.casts import float32_layers, in_float64
from parity.halves.keras.check.described import described
from parity.halves.keras.check.facts import objective_facts, plain_nested, write_schedule
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.metrics import metrics_of
from parity.halves.keras.check.objective import Objective
from parity.halves.keras.check.structure import as_fed, outputs_of
from parity.halves.keras.check.weights import build, get_weights, set_weights
from parity.halves.keras.float64 import ctc_in_float64
from parity.halves.keras.versions import is_weight, use_dtype
from parity.ports.package import write_package
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter
from torch_impl.layers.image.random_layer import RandomImageLayer

BAR = 1e-12
FLOAT32_BAR = 1e-6  # ten roundings to float32, in which Keras's layers of sound compute
# What a last bit of the inputs moves is the size of rounding in a network; two that add up in other
# orders are a few of them apart.
_ROUNDINGS = 10
_SEED = 42
_SOUND = (keras.layers.MelSpectrogram, keras.layers.STFTSpectrogram)
_MODES = {"eval": False, "train": True}
_COPIES = 5 * 8  # bytes of a weight: that of Keras, the twin, the port and two dictionaries


@dataclass(frozen=True)
class Difference:
    """The greatest difference of an output in one mode, relative to its greatest entry.

    Attributes:
        found: of the port from Keras.
        allowed: `BAR` or `FLOAT32_BAR`, or ten times what Keras's moves if all inputs move by their
            last bit.
    """

    found: float
    allowed: float

    @property
    def is_equal(self) -> bool:
        """Whether it is rounding."""
        return self.found <= self.allowed


@dataclass(frozen=True)
class Written:
    """What was written of a program.

    Attributes:
        folder: of the package; None: it was refused.
        problem: all reasons, or the error of the package.
        left_out: a sentence for each part that the package lacks.
        num_lines: of model.py.
        initial: greatest difference of the initial weights of seed 42 from Keras's.
        differences: of the outputs, by mode: "eval" and "train"; empty: they were not compared.
    """

    folder: Path | None
    problem: str = ""
    left_out: tuple[str, ...] = ()
    num_lines: int = 0
    initial: float = 0.0
    differences: Mapping[str, Difference] = field(default_factory=dict)


def written(program: Program, folder: Path, memory: float) -> Written:
    """Writes the package of a program, and compares it.

    Args:
        program: to port.
        folder: of all packages, each in one of its name.
        memory: in GB; a larger network is written and not compared.
    """
    use_dtype("float64")
    out = folder / f"port_of_{program.name.lower()}"
    out.mkdir(parents=True)
    with ctc_in_float64():
        reference, facts, seeds = _told(program)
        initial = get_weights(reference.model)
        try:
            told = write_package(facts, _by_paths(initial), out)
        except ValueError as error:
            return Written(None, str(error))
        if told["open"]:
            return Written(None, f"to be written: {'; '.join(told['open'])}")
        found = {
            "folder": out,
            "left_out": tuple(told["left_out"]),
            "num_lines": len((out / "model.py").read_text("utf-8").splitlines()),
        }
        sys.path.insert(0, str(folder))
        try:
            apart = _initial_distance(out)
            if reference.model.count_params() * _COPIES / 2**30 > memory:
                return Written(**found, initial=apart)
            random = _randomised(initial)
            shutil.rmtree(out)
            out.mkdir()
            write_package(facts, _by_paths(random), out)
            differences = _differences(reference, seeds, random, _built(out, trained=True))
        except Exception as error:  # of the code that was written; the other rows are shown, too
            return Written(**found, problem=f"{type(error).__name__}: {error}")
        finally:
            sys.path.remove(str(folder))
        return Written(**found, initial=apart, differences=differences)


def package_of(program: Program, out: Path, *, plain: bool = False) -> dict[str, Any]:
    """Writes the package of a program into a folder that exists, without a check.

    Args:
        program: to port.
        out: the folder.
        plain: whether its network and its training need torch alone.

    Returns:
        What `write_package` returns.

    Raises:
        ValueError: it cannot be written.
    """
    use_dtype("float64")
    with ctc_in_float64():
        reference, facts, _ = _told(program)
        weights = get_weights(reference.model)
        facts["weights"] = list(weights)
        return write_package(facts, _by_paths(weights), out, plain=plain)


def _told(program: Program) -> tuple[Reference, dict[str, Any], list[Any]]:
    """Returns what a factory returns, what a port is written of, and its seeds as they begin."""
    spec = CheckSpec(seed=_SEED, folder=str(ROOT))
    reference, told_program, own = described(program.factory, spec)
    seeds = [(v, np.asarray(v)) for v in reference.model.variables if not is_weight(v)]
    facts: dict[str, Any] = {"program": told_program, "own": own}
    return reference, facts | _facts(program, reference), seeds


def _facts(program: Program, reference: Reference) -> dict[str, Any]:
    """Returns what a trace tells of the training, without a training."""
    model = reference.model
    spec, writer = CheckSpec(), TraceWriter()
    samples = _samples(reference)
    build(reference, samples)
    with in_float64():
        output = model(as_fed(reference, samples.inputs("probe", samples.batch_size)))
    parts = outputs_of(model, output)
    objective = Objective(reference, samples, output)
    optimizer = getattr(model, "optimizer", None)
    write_schedule(spec, program.factory, reference, writer)
    return writer.facts | {
        "inputs": [each.to_json() for each in samples.model_inputs],
        "loss": objective_facts(objective),
        "metrics": metrics_of(model, list(parts)),
        "outputs": [{"name": n, "shape": list(part.shape[1:])} for n, part in parts.items()],
        "output_shape": list(keras.tree.flatten(output)[0].shape[1:]),
        "optimizer": None
        if optimizer is None
        else {"class": type(optimizer).__name__, "config": plain_nested(optimizer.get_config())},
    }


def _samples(reference: Reference) -> Samples:
    inputs = inputs_of(reference, CheckSpec().batch_size)
    return Samples(CheckSpec(), inputs.each, inputs.batch_size)


def _by_paths(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns weights as `parity.halves.torch.written` names them."""
    return {name.replace(".", "/", 1): value for name, value in weights.items()}


def _randomised(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    found = {}
    for name, value in weights.items():
        if value.dtype.kind == "f":
            noise = 0.1 * draw.standard_normal(value.shape)
            moved = value * draw.uniform(0.5, 1.5, value.shape) if "variance" in name else 0
            value = (moved if "variance" in name else value + noise).astype("float32")
            value = value.astype("float64")
        found[name] = value
    return found


def _built(package: Path, *, trained: bool) -> Any:
    """Returns the port that a package builds from the seed, with the weights of its file or not."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
        del sys.modules[name]
    importlib.invalidate_caches()
    train = importlib.import_module(f"{package.name}.train")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        torch.manual_seed(_SEED)
        port = train.build()
        if trained:
            train.load_weights(port.module)
    finally:
        torch.set_default_dtype(before)
    return port


def _initial_distance(package: Path) -> float:
    """Returns how far the weights that a package draws are from those of its file, Keras's."""
    drawn = _built(package, trained=False).module.state_dict()
    worst = 0.0
    for name, value in load_file(package / "weights.safetensors").items():
        if value.is_floating_point() and value.numel():
            apart = (drawn[name].float() - value).abs().max() / value.abs().max().clamp(min=1e-30)
            worst = max(worst, float(apart))
    return worst


def _differences(
    reference: Reference,
    seeds: Sequence[tuple[keras.Variable, np.ndarray]],
    weights: Mapping[str, np.ndarray],
    port: Any,
) -> dict[str, Difference]:
    """Returns how far the outputs of a port are from Keras's in both modes.

    Args:
        reference: the Keras program.
        seeds: the states of its generators as it was built: each pass draws the same masks.
        weights: of it and of the port.
        port: what the package builds.
    """
    model = reference.model
    for layer in port.module.modules():
        if isinstance(layer, RandomImageLayer):  # as Keras's, which `in_float64` leaves in float32
            layer.random_dtype = layer.pixel_dtype = torch.float32
            layer.in_graph = False
    samples = _samples(reference)
    x = samples.inputs("probe", samples.batch_size)
    moved = [np.nextafter(each, np.inf) if each.dtype.kind == "f" else each for each in x]
    theirs: list[dict[str, list[np.ndarray]]] = []
    for each in (x, moved):
        set_weights(model, weights)
        for state, value in seeds:
            state.assign(value)
        with in_float64():
            fed = as_fed(reference, each)
            theirs.append(
                {
                    mode: [np.asarray(v) for v in keras.tree.flatten(model(fed, training=is_train))]
                    for mode, is_train in _MODES.items()
                }
            )
    found = {}
    for mode, is_train in _MODES.items():
        port.module.train(is_train)
        made = port.module(*_fed(port, x, [each.name for each in samples.model_inputs]))
        ours = [each.detach().numpy() for each in _leaves(port.taken(made))]
        apart = _distance(theirs[0][mode], ours)
        rounding = _distance(theirs[0][mode], theirs[1][mode])
        in_float32 = [layer for layer in model._flatten_layers() if isinstance(layer, _SOUND)]
        bar = FLOAT32_BAR if in_float32 or float32_layers(model) else BAR
        found[mode] = Difference(apart, max(bar, _ROUNDINGS * rounding))
    return found


def _fed(port: Any, arrays: Sequence[np.ndarray], names: Sequence[str]) -> list[torch.Tensor]:
    """Returns inputs as `Port` gives them to a module: by the names of arguments, or in order."""
    if port.feed is not None:
        return [port.feed(*arrays)]
    tensors = [
        torch.as_tensor(array).movedim(-1, 1) if array.ndim > 3 else torch.as_tensor(array)
        for array in arrays
    ]
    wanted = list(inspect.signature(port.module.forward).parameters)
    is_named = sorted(wanted) == sorted(names)
    return [tensors[names.index(name)] for name in wanted] if is_named else tensors


def _leaves(made: Any) -> Iterator[torch.Tensor]:
    """Yields the tensors in a nest in Keras's order."""
    if isinstance(made, torch.Tensor):
        yield made
    else:
        for each in [made[key] for key in sorted(made)] if isinstance(made, Mapping) else made:
            yield from _leaves(each)


def _distance(theirs: Sequence[np.ndarray], ours: Sequence[np.ndarray]) -> float:
    """Returns the greatest difference, relative to the greatest entry of each output."""
    if [each.shape for each in theirs] != [each.shape for each in ours]:
        return float("inf")
    worst = 0.0
    for one, other in zip(theirs, ours, strict=True):
        scale = max(float(np.abs(one).max(initial=0)), 1e-30)
        apart = float(np.abs(one.astype("float64") - other.astype("float64")).max(initial=0))
        worst = max(worst, apart / scale if np.isfinite(apart) else float("inf"))
    return worst
