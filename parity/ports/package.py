"""The package of a port: model.py, train.py, weights, a test and a README."""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from parity.errors import InputError
from parity.files.atomic import write_bytes
from parity.ports.blocks import fold
from parity.ports.custom.facts import NOTHING, Facts, draws_in, left_out_of, paths_in, renamed
from parity.ports.custom.rules import Told, about_step, with_custom_code
from parity.ports.custom.stubs import opens
from parity.ports.feed_text import feed_of
from parity.ports.file_names import with_plain_names
from parity.ports.fit_text import (
    frozen_text,
    left_out_of_training,
    rows_apart,
    rules_of,
    undecayed_text,
)
from parity.ports.form import Layout, literal
from parity.ports.graph import Traced, trace
from parity.ports.guard import guard
from parity.ports.module_text import custom_definitions, model_text, name_of_class
from parity.ports.plain import without_seeds
from parity.ports.plain_package import Written, plain_files
from parity.ports.program import Program, all_of, values_in
from parity.ports.program import class_name as class_name_of
from parity.ports.reading_text import about_data, arrays_of, filled
from parity.ports.train_text import train_text
from parity.ports.weights import (
    carry,
    draws_of,
    fill_arrays,
    initial_text,
    matched,
    targets,
    unseeded,
)
from parity.ports.wrapping import prose, wrapped
from parity.ports.writer import program_of
from parity.traces.trace import Trace
from torch_impl.arrays import buffers_of
from torch_impl.keras_config import from_keras_config
from torch_impl.keras_config.rules import NoTwinError
from torch_impl.layouts import Variable

# --- The package of a port: model.py, train.py, weights, a test and a README ----------------------


def write_package(
    facts: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    out: Path,
    *,
    plain: bool = False,
) -> dict[str, Any]:
    """Writes the package of a described program.

    Args:
        facts: of the trace of the Keras half, with "program".
        weights: by Keras's paths, in which outer models may be left out.
        out: folder of the package, which exists.
        plain: whether its network and its training need torch alone.

    Returns:
        "files": names of what was written; "factory": of what is checked, in the package;
        "left_out": a sentence for each part that is missing; "open": one for each part that is to
        be written; "differs": one for each that cannot be Keras's.

    Raises:
        NoTwinError: layers cannot be written, with all reasons.
        ValueError: the program has no config.
    """
    described = facts["program"]
    if stubbed := described.get("stubbed"):
        written_out = {**facts, "program": {**described, "stubbed": []}}
        try:
            return write_package(written_out, weights, out, plain=plain)
        except Exception as error:  # the code may do what no source is written for, in any way
            if plain and isinstance(error, NoTwinError):
                raise  # a stub has no plain form, either
            program, custom = stubbed
            training = facts.get("own", {})  # of what trains the model, which is the same
            custom = {
                **custom,
                **{key: training[key] for key in ("losses", "rates") if key in training},
            }
            left = {**facts, "program": {**described, **program}, "own": custom}
            return write_package(left, weights, out, plain=plain)
    if described["model"] is None:
        raise ValueError(
            f"the model has no config ({described['problem']}): expected a Sequential or "
            "functional model, or one of a class of your own whose call takes a batch of any size"
        )
    plain_names = with_plain_names(facts, weights)
    facts, weights, described = plain_names.facts, plain_names.weights, plain_names.facts["program"]
    config = described["model"]["config"]
    custom = facts.get("own") or NOTHING
    prepared = with_custom_code(config, custom)
    twin, traced = _traced(prepared, described["shared"])
    if plain and (prepared.functions or custom["layers"]):
        names = [*custom["layers"], *(function.name for function in prepared.functions)]
        raise NoTwinError(
            [
                f"{name!r} is code of the program, which is possible only without --plain"
                for name in names
            ],
            "plain form",
        )
    numbers = [(name, number) for name, number in described["draws"]]
    program = program_of(traced, _first_draws([*numbers, *draws_in(custom)]))
    if plain:
        without_seeds(program)
    fold(program)
    class_name = name_of_class(program)
    about = f"The network {_name(traced, custom)!r} of Keras in PyTorch{_layout(program)}."
    model = model_text(program, about, prepared.functions)
    in_file = bool(facts.get("model_file"))  # which has no code of the program's own
    custom_names = () if in_file else custom_definitions(program, prepared.functions)
    guard({"model.py": model}, out.name, own=custom_names)
    module = _made(model, out.name, class_name)
    carry(module, program, renamed(weights, custom))
    fill_arrays(module, program)
    arrays = {
        f"{path}.{name}" for path, part in module.named_modules() for name in buffers_of(part)
    }
    draws = draws_of(module, program, traced, numbers, custom["layers"])
    rules = rules_of(twin.rules_by_layer(), program, module)
    known = targets(module, program)
    excluded = _variables(facts.get("undecayed", ()), custom, known)
    rules.undecayed = undecayed_text(module, excluded.values())
    frozen = frozen_text(module, program, traced)
    if plain:
        for name in sorted(arrays):
            weight = f"load_file(WEIGHTS)[{literal(name)}]"
            frozen.append(f"model.get_buffer({literal(name)}).copy_({weight})")
        found = {
            plain_names.of_keras[name]: variable
            for name, variable in _variables(facts["weights"], custom, known).items()
        }
        place = (out, about)
        written = plain_files(facts, program, module, draws, rules, found, frozen, place)
    else:
        statements = [*initial_text(module, draws), *frozen]
        statements += ["load_arrays(model, WEIGHTS)"] if arrays else []
        feed = feed_of(described["fit"], partial(_map_text, class_name))
        train, left_out, defined = train_text(
            facts, statements, rules, program, out.name, class_name, feed
        )
        files = {"__init__.py": "", "model.py": model, "train.py": train, **feed.files}
        call = f'    assert_parity(torch="{out.name}.train:build", against=reference)'
        files["test_parity.py"] = _TEST.format(call="\n".join(wrapped(call)))
        guard(files, out.name, own=() if in_file else {*custom_names, *defined})
        data = about_data(arrays_of(program, facts), feed.data)
        written = Written(files, module, left_out + feed.left_out, feed.differs, data=data)
        written.feeds = feed.is_written
        written.open = [*opens(model, "model.py"), *opens(train, "train.py")]
        written.left_out += [_NO_SEED.format(path=path) for path in unseeded(module, draws)]
    written.left_out += rules.left_out
    written.left_out += left_out_of_training(described, is_plain=plain, feeds=written.feeds)
    written.left_out += left_out_of(custom, facts.get("added_losses", []))
    step = about_step(described["fit"], is_plain=plain)
    written.data = [*written.data, *filled(" ".join(step))]
    complete = replace(
        written, differs=[*written.differs, *rows_apart(facts)]
    )  # a check tells it, too
    readme = _readme(out.name, class_name, complete)
    for name, text in (written.files | {"README.md": readme}).items():
        write_bytes(out / name, text.encode())
    state = {
        name: (value.float() if value.is_floating_point() and name not in arrays else value)
        for name, value in written.module.state_dict().items()
        if isinstance(value, torch.Tensor)
    }
    state = {name: value.contiguous() for name, value in state.items()}
    write_bytes(out / "weights.safetensors", save(state))
    return {
        "files": [*written.files, "README.md", "weights.safetensors"],
        "factory": "test_parity:port" if plain else "train:build",
        "left_out": written.left_out,
        "open": written.open,
        "differs": written.differs,
    }


def _name(traced: Traced, custom: Facts) -> str:
    """Returns Keras's name of a model, which a subclassed one has as the only layer of another."""
    called = [each for each in traced.layers if traced.layers[each]["class_name"] != "InputLayer"]
    return called[0] if len(called) == 1 and called[0] in custom["layers"] else traced.name


def _layout(program: Program) -> str:
    """Returns what the first line of model.py says of layouts: of the tensors that it has."""
    values = [value for each in all_of(program) for value in each.inputs.values()]
    values += [v for each in all_of(program) for line in each.lines for v in line.outputs]
    ranks = {len(value.shape) for value in values if value.layout is Layout.FIRST}
    if max(ranks, default=0) > 3:
        return "; images have channels first"
    return "; convolutions have channels first" if 3 in ranks else ""


def _traced(prepared: Told, shared: Sequence[str]) -> tuple[Any, Traced]:
    """Returns the twin of a model, and its calls.

    Raises:
        NoTwinError: layers have no twin, or are of the user's and cannot be written.
    """
    problems = prepared.problems
    try:
        twin = from_keras_config(prepared.config, prepared.custom, shared=shared)
    except NoTwinError as error:
        known = tuple(f"layer {name!r} " for name in prepared.refused)
        others = [each for each in error.problems if not each.startswith(known)]
        raise NoTwinError([*problems, *others]) from None
    if problems:
        raise NoTwinError(problems)
    return twin, trace(twin, prepared.config)


def _first_draws(numbers: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Returns the number of the first draw of each layer, by every part of a path."""
    found: dict[str, int] = {}
    for path, number in reversed(numbers):
        found |= dict.fromkeys(path.split("/")[:-1], number)
    return found


def _map_text(
    network_class: str, step: Mapping[str, Any], name: str
) -> tuple[str, str, list[str], list[str]] | None:
    """Writes a map of a dataset that Keras's layers make: see `feed_of`; a class has another name.

    Args:
        network_class: name of the class of the network.
        step: of the dataset.
        name: of the file.
    """
    model = f"{name}_of_images" if class_name_of(name) == network_class else name
    config = {**step["model"]["config"], "name": model}
    try:
        _, traced = _traced(with_custom_code(config, NOTHING), ())
        program = program_of(traced, _first_draws(step["draws"]))
        fold(program)
        class_name = name_of_class(program)
        about = "What `Dataset.map` of the Keras program does to images; they have channels first."
        text = model_text(program, about)
        module = _made(text, name, class_name)
    except NoTwinError:
        return None
    if any(value.layout is Layout.LAST for value in values_in(program.outputs)):
        return None
    draws = draws_of(module, program, traced, step["draws"], {})
    drawn = initial_text(module, draws) if any(draw.name for draw in draws) else []
    return class_name, text, drawn, [_NO_SEED.format(path=path) for path in unseeded(module, draws)]


def _made(source: str, package: str, class_name: str) -> nn.Module:
    """Returns the network of a source."""
    name = f"_written_{package}"
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "model.py"
        temporary.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, temporary)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    made: nn.Module = getattr(module, class_name)()
    return made


def _variables(
    names: Sequence[str], custom: Facts, known: Mapping[str, Variable]
) -> dict[str, Variable]:
    """Returns the variables of a module by the names of Keras's weights."""
    paths = paths_in(custom)
    by_path = {paths.get(path := name.replace(".", "/", 1), path): name for name in names}
    found = matched(list(by_path), list(known))
    return {by_path[path]: known[end] for path, end in found.items()}


_NO_SEED = (
    "the seed of {path!r}: Keras draws one that was not found, so that its random numbers are not "
    "Keras's and do not follow --seed"
)
_TEST = '''"""Compares the port with what Keras computed, without TensorFlow."""

from pathlib import Path

from parity import assert_parity


def test_the_port_trains_as_keras_does() -> None:
    """Outputs, losses, gradients, weights after steps, rates and metrics."""
    reference = Path(__file__).with_name("reference.parity")
{call}
'''


def _shown(sentence: str) -> str:
    """Returns a sentence in which no name is a link, an image or a tag of Markdown."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", prose(sentence)).replace("](", "]\\(")


def _readme(package: str, class_name: str, written: Written) -> str:
    lines = [
        f"# {package}",
        "",
        "A Keras program in PyTorch. `model.py` has the network, `train.py` what trains it,",
        "`weights.safetensors` the weights of the Keras model, and `test_parity.py` compares all",
        "of it with what Keras computed (`reference.parity`).",
        *written.about,
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
        *map(_shown, written.data),
    ]
    for title, sentences in (
        ("To be written", written.open),
        ("Not ported", written.left_out),
        ("What cannot be Keras's", written.differs),
    ):
        if sentences:
            lines += ["", f"## {title}", "", *(f"- {_shown(each)}" for each in sentences)]
    return "\n".join(lines) + "\n"


# --- write_port: the package of a program that Keras's trace describes ----------------------------


def write_port(trace: Trace, out: Path, *, plain: bool = False) -> dict[str, Any]:
    """Writes the port of a described program to a folder.

    Args:
        trace: of the Keras half, with the fact "program".
        out: folder of the package, which exists.
        plain: whether its network and its training need torch alone.

    Returns:
        What `write_package` returns.

    Raises:
        InputError: the program cannot be ported, with all reasons.
    """
    keys = {
        name: f"built/{name}" if f"built/{name}" in trace else f"weights/{name}"
        for name in trace.facts["weights"]
    }
    weights = {name.replace(".", "/", 1): trace[key] for name, key in keys.items()}
    try:
        return write_package(trace.facts, weights, out, plain=plain)
    except ValueError as error:
        raise InputError(f"the program cannot be ported: {error}") from error
    except Exception as error:  # of a config that is none of Keras's, in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(
            f"the program cannot be ported: its config is not one that Keras writes ({reason})"
        ) from error
