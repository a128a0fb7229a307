"""Modules that were written of Keras models, imported from their source."""

import importlib.util
import itertools
import json

import numpy as np
import torch

from parity.ports.blocks import fold
from parity.ports.form import Layout
from parity.ports.graph import trace
from parity.ports.module_text import model_text, name_of_class
from parity.ports.plain import as_plain, copied, without_seeds
from parity.ports.plain_package import imported_package, with_weights
from parity.ports.program import names_used
from parity.ports.weights import carry
from parity.ports.writer import program_of
from torch_impl import losses
from torch_impl.keras_config import from_keras_config

_NUMBERS = itertools.count()


def source_of(model):
    """The program that was written of a Keras model, and its source."""
    config = json.loads(model.to_json())["config"]
    program = program_of(trace(from_keras_config(config), config))
    fold(program)
    return program, model_text(program, "A network.")


def written(model, folder, paths=None):
    """A module in float64 with the weights of a Keras model; its program and its source.

    `paths` are those of variables that have other paths than Keras's, by ID.
    """
    program, source = source_of(model)
    path = folder / f"written_{next(_NUMBERS)}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        module = getattr(file, name_of_class(program))()
    finally:
        torch.set_default_dtype(before)
    kept = [w for w in model.weights if "seed_generator" not in w.path]
    carry(module, program, {(paths or {}).get(id(w), w.path): np.asarray(w) for w in kept})
    return module, program, source


def written_plain(model, folder, full):
    """The same in plain torch, with the weights of a module of `torch_impl`; and its program."""
    config = json.loads(model.to_json())["config"]
    program = program_of(trace(from_keras_config(config), config))
    without_seeds(program)
    fold(program)
    as_plain(program)
    out = folder / f"plain_{next(_NUMBERS)}"
    out.mkdir()
    source = model_text(program, "A network.", package=out.name)
    parts = names_used(source, "parts")
    files = {"__init__.py": "", "model.py": source, "parts.py": copied(parts, "Parts.")}
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    return with_weights(imported_package(out, name_of_class(program)).double(), full), program


def compared(model, folder, arrays=None, *, plain=False, bar=1e-12):
    """Written modules compute what a Keras model does in eval mode; returns the source.

    Args:
        model: of Keras.
        folder: of what is written.
        arrays: in Keras's layout; None: normal numbers.
        plain: whether the module in plain torch is compared, too.
        bar: relative to the greatest entry of each output.
    """
    if arrays is None:
        draw = np.random.default_rng(0)
        arrays = [draw.normal(size=(3, *x.shape[1:])) for x in model.inputs]
    theirs = leaves(model(arrays if len(arrays) > 1 else arrays[0], training=False))
    module, program, source = written(model, folder)
    for each in [module, written_plain(model, folder, module)[0]][: 1 + plain]:
        made = outputs(each.eval()(*fed(program, arrays)), program)
        for ours, expected in zip(made, map(np.asarray, theirs), strict=True):
            assert ours.shape == expected.shape
            assert np.abs(ours - expected).max() <= bar * np.abs(expected).max()
    return source


def fed(program, arrays):
    """Arrays in Keras's layout as the module takes them."""
    values = program.inputs.values()
    return [
        tensor.movedim(-1, 1) if is_first(value) else tensor
        for tensor, value in zip([torch.as_tensor(array) for array in arrays], values, strict=True)
    ]


def outputs(made, program):
    """Tensors that a module returned, in a row, as arrays in Keras's layout."""
    return [np.asarray(each.detach()) for each in in_keras_layout(made, program.outputs)]


def in_keras_layout(made, values):
    """Tensors of a nest, in a row, whose images are turned; the values are those of a program."""
    pairs = zip(leaves(made), leaves(values), strict=True)
    return [losses.channels_last(each) if is_first(value) else each for each, value in pairs]


def leaves(nest):
    """What is in a nest, in Keras's order."""
    if isinstance(nest, dict):
        nest = [nest[name] for name in sorted(nest)]
    return (
        [leaf for part in nest for leaf in leaves(part)] if type(nest) in (list, tuple) else [nest]
    )


def is_first(value):
    return value.layout is Layout.FIRST


def as_keras(weight, state):
    """The value of a weight of a Dense or Conv layer in a state_dict, as Keras has it."""
    layer, name = weight.path.split("/")[-2:]
    value = state[f"{layer}.{'weight' if name == 'kernel' else name}"].double().numpy()
    return np.moveaxis(value, (0, 1), (-1, -2)) if value.ndim > 1 else value
