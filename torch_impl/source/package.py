"""The package of a port: model.py, train.py, weights, a test and a README."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from parity.files.atomic import write_bytes
from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.planned import Planned
from torch_impl.source.blocks import fold
from torch_impl.source.form import Layout, arguments, told
from torch_impl.source.graph import trace
from torch_impl.source.initial import draws_of, initial_text
from torch_impl.source.module_text import model_text, name_of_class
from torch_impl.source.program import Program
from torch_impl.source.train_text import short, train_text
from torch_impl.source.weights import carry, paths
from torch_impl.source.writer import program_of


def write_package(
    facts: Mapping[str, Any], weights: Mapping[str, np.ndarray], out: Path
) -> dict[str, Any]:
    """Writes the package of a described program.

    Args:
        facts: of the trace of the Keras half, with "program".
        weights: by Keras's paths, in which outer models may be left out.
        out: folder of the package, which exists.

    Returns:
        "files": names of what was written; "left_out": a sentence for each part that is missing.

    Raises:
        NoTwinError: layers cannot be written, with all reasons.
        ValueError: the program has no config.
    """
    described = facts["program"]
    if described["model"] is None:
        raise ValueError(
            f"the model has no config ({described['problem']}): expected a Sequential or "
            "functional model"
        )
    config = described["model"]["config"]
    if "layers" not in config:
        raise ValueError("a subclassed model: expected a Sequential or functional one")
    twin = from_keras_config(config)
    traced = trace(twin, config)
    numbers = [(name, number) for name, number in described["draws"]]
    program = program_of(traced, _first_draws(numbers))
    fold(program)
    class_name = name_of_class(program)
    about = f"The network {traced.name!r} of Keras in PyTorch; images have channels first."
    files = {"__init__.py": "", "model.py": model_text(program, about)}
    write_bytes(out / "model.py", files["model.py"].encode())
    module = _made(out / "model.py", class_name)
    carry(module, program, weights)
    draws = draws_of(module, program, traced, numbers)
    statements, _ = initial_text(module, draws)
    penalties = _penalties(twin.rules_by_layer(), program, module)
    feed = _feed(program)
    train, left_out = train_text(facts, statements, penalties, feed, out.name, class_name)
    left_out += _left_out(twin.rules_by_layer())
    files["train.py"] = train
    files["test_parity.py"] = _TEST.format(package=out.name)
    files["README.md"] = _readme(out.name, class_name, left_out)
    for name, text in files.items():
        write_bytes(out / name, text.encode())
    state = {
        name: value.to(torch.float32 if value.is_floating_point() else value.dtype).contiguous()
        for name, value in module.state_dict().items()
        if isinstance(value, torch.Tensor)
    }
    write_bytes(out / "weights.safetensors", save(state))
    return {"files": [*files, "weights.safetensors"], "left_out": left_out}


def _first_draws(numbers: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Returns the number of the first draw of each layer, by every part of a path."""
    found: dict[str, int] = {}
    for path, number in reversed(numbers):
        found |= dict.fromkeys(path.split("/")[:-1], number)
    return found


def _made(path: Path, class_name: str) -> nn.Module:
    """Imports the file that was written, and returns its network."""
    name = f"_written_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    made: nn.Module = getattr(module, class_name)()
    return made


def _penalties(rules: Mapping[str, Any], program: Program, module: nn.Module) -> dict[str, str]:
    """Returns the regulariser of each parameter that has one, as source."""
    by_layer = dict(paths(program))
    found = {}
    for layer, rule in rules.items():
        for name, regularizer in rule.regularizers.items():
            path = by_layer.get(layer)
            attribute = {"kernel": "weight", "bias": "bias", "embeddings": "weight"}.get(name)
            if path is None or attribute is None:
                continue
            kind = type(regularizer)
            settings = {
                key: short(value)
                for key, value in vars(regularizer).items()
                if not key.startswith("_")
            }
            planned = told(Planned(kind, **settings))
            given = arguments(*planned.arguments, **planned.settings)
            found[f"{path}.{attribute}"] = f"regularizers.{kind.__name__}({given})"
    return found


def _left_out(rules: Mapping[str, Any]) -> list[str]:
    left_out = []
    for layer, rule in rules.items():
        if rule.constraints:
            left_out.append(f"the constraints of layer {layer!r}")
        if rule.activity or rule.projections:
            left_out.append(f"the regulariser of the output of layer {layer!r}")
        others = set(rule.regularizers) - {"kernel", "bias", "embeddings"}
        if others:
            left_out.append(f"the regularisers {sorted(others)} of layer {layer!r}")
    return left_out


def _feed(program: Program) -> Sequence[str]:
    """Returns the function that turns inputs, if they are not what a Port gives a module."""
    turned = [
        value.layout is Layout.FIRST and len(value.shape) == 3 for value in program.inputs.values()
    ]
    if not any(turned) or len(turned) > 1:
        return []
    return [
        "def feed(x: np.ndarray) -> torch.Tensor:",
        '    """Turns (N, T, C) into (N, C, T)."""',
        "    return torch.as_tensor(x).transpose(1, 2)",
    ]


_TEST = '''"""Compares the port with what Keras computed, without TensorFlow."""

from pathlib import Path

from parity import assert_parity


def test_the_port_trains_as_keras_does() -> None:
    """Outputs, losses, gradients, weights after steps, rates and metrics."""
    reference = Path(__file__).with_name("reference.parity")
    assert_parity(torch="{package}.train:build", against=reference)
'''


def _readme(package: str, class_name: str, left_out: Sequence[str]) -> str:
    lines = [
        f"# {package}",
        "",
        "A Keras program in PyTorch. `model.py` has the network, `train.py` what trains it,",
        "`weights.safetensors` the weights of the Keras model, and `test_parity.py` compares all",
        "of it with what Keras computed (`reference.parity`).",
        "",
        "```python",
        f"from {package}.model import {class_name}",
        f"from {package}.train import load_weights",
        "",
        f"model = load_weights({class_name}()).eval()",
        "```",
        "",
        "Run the test with `pytest`, and train with",
        f"`python -m {package}.train data.npz --seed 42`.",
    ]
    if left_out:
        lines += ["", "## Not ported", "", *(f"- {sentence}" for sentence in left_out)]
    return "\n".join(lines) + "\n"
