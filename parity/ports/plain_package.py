"""The files of a port in plain torch, and what of it cannot be Keras's."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from parity.files.atomic import write_bytes
from parity.ports.copying import copied, names_of_parts
from parity.ports.guard import guard
from parity.ports.initial import Draw
from parity.ports.module_text import model_text, name_of_class
from parity.ports.names_used import imported_from, names_used
from parity.ports.own.stub_text import opens
from parity.ports.plain import as_plain, without_plain
from parity.ports.plain_feed import plain_feed_of
from parity.ports.plain_layout import linear, load_lines, places_of
from parity.ports.plain_train import draws_one_order, plain_train
from parity.ports.program import Program, all_of
from parity.ports.reading_text import about_data, arrays_of
from parity.ports.rules_text import RuleTexts
from parity.ports.wrapping import wrapped
from torch_impl import layers
from torch_impl.layouts import Variable
from torch_impl.losses.outputs import flat


@dataclass
class Written:
    """A package as it is written.

    Attributes:
        files: sources by name.
        module: its network, with the weights of the Keras model.
        left_out: a sentence for each part that is missing.
        differs: a sentence for each that cannot be Keras's.
        open: a sentence for each part that is to be written.
        about: lines for README.md.
        data: likewise, of the file that train.py takes.
        feeds: whether train.py makes the batches that `fit` gets.
    """

    files: dict[str, str]
    module: nn.Module
    left_out: list[str]
    differs: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    about: Sequence[str] = ()
    data: Sequence[str] = ()
    feeds: bool = False


def plain_files(
    facts: Mapping[str, Any],
    program: Program,
    full: nn.Module,
    draws: Sequence[Draw],
    rules: RuleTexts,
    variables: Mapping[str, Variable],
    frozen: Sequence[str],
    place: tuple[Path, str],
) -> Written:
    """Writes model.py and parts.py, and returns all files of the package.

    Args:
        facts: of the trace of the Keras half.
        program: the model with the parts of `torch_impl`; is changed.
        full: its network, with the weights of the Keras model.
        draws: of the initial weights.
        rules: of its weights and outputs, in `torch_impl`.
        variables: of the network, by the names of Keras's weights.
        frozen: statements that exclude weights from the training.
        place: folder of the package, and what model.py says first.

    Raises:
        NoTwinError: a layer has no plain part, with the reasons of all of them.
    """
    out, about = place
    drawing = _drawing(program)
    as_plain(program)
    if isinstance(program.outputs, Mapping):  # of names alone: the loop knows no nests
        program.outputs = flat(program.outputs)
    model = model_text(program, about, package=out.name)
    files = {"__init__.py": "", "model.py": model}
    parts = names_used(model, "parts")
    foreign = [f"{name} of torch_impl has no plain part" for name in imported_from(model, _OWN)]
    foreign += [f"{name} is no part" for name in sorted(parts - names_of_parts())]
    if foreign:
        raise without_plain(foreign)
    if parts:
        files["parts.py"] = copied(parts, "Parts of the network that torch has not.")
    guard(files, out.name)
    for name, text in files.items():
        write_bytes(out / name, text.encode())
    class_name = name_of_class(program)
    module = with_weights(imported(out, class_name), full)
    names = (out.name, class_name)
    fit = facts["program"]["fit"]
    feed = plain_feed_of(fit)
    train = plain_train(facts, program, (full, module), draws, rules, frozen, names, feed)
    files["train.py"] = train.train
    files["data_file.py"] = train.data_file
    if train.rules:
        files["rules.py"] = train.rules
    call = f'    assert_parity(torch="{out.name}.test_parity:port", against=reference)'
    files["test_parity.py"] = _TEST.format(
        package=out.name,
        call="\n".join(wrapped(call)),
        port="".join(f"        {argument},\n" for argument in train.port),
        weights="\n".join(load_lines(places_of(full, module, variables))),
    )
    empty = _TEST.format(package=out.name, call="", port="", weights="")
    own = () if facts.get("model_file") else train.own
    guard(files, out.name, own=own, verbatim=[train.loop, empty])
    order = _ORDER.format(_ONCE if draws_one_order(fit, feed) else _EACH)
    differs = [_INITIAL, *([] if feed.is_written else [order]), *drawing, *feed.differs]
    data = about_data(arrays_of(program, facts), feed.data)
    open_ = opens(train.train, "train.py")
    made = Written(files, module, train.left_out, differs, open_, about=_ABOUT, data=data)
    made.feeds = feed.is_written
    return made


def _drawing(program: Program) -> list[str]:
    """Returns a sentence if some layers draw numbers."""
    kinds = (layers.Dropout, layers.GaussianNoise, layers.GaussianDropout)
    names: list[str] = []
    for each in all_of(program):
        for line in each.lines:
            kind: Any = None if line.made is None else line.made.kind
            is_drawing = isinstance(kind, type) and issubclass(kind, kinds)
            settings = {} if line.made is None else line.made.settings
            if is_drawing or settings.get("dropout") or settings.get("recurrent_dropout"):
                names.append(line.name)
    if not names:
        return []
    told = ", ".join(repr(name) for name in dict.fromkeys(names))
    return [f"masks and noise of the layers {told}: their law is Keras's, their numbers are not"]


def imported(out: Path, class_name: str) -> nn.Module:
    """Returns the network of a package whose model.py is written."""
    with _on_path(out):
        file = importlib.import_module(f"{out.name}.model")
    made: nn.Module = getattr(file, class_name)()
    return made


@contextmanager
def _on_path(out: Path) -> Iterator[None]:
    """A context in which a package can be imported, behind which it is forgotten."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_in(name, out.name)}
    sys.path.insert(0, str(out.parent))
    importlib.invalidate_caches()
    # Python tells a compiled file by its size and second: another package may have both.
    keeps, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = keeps
        sys.path.remove(str(out.parent))
        for name in [name for name in sys.modules if _is_in(name, out.name)]:
            del sys.modules[name]
        sys.modules.update(kept)


def _is_in(name: str, package: str) -> bool:
    return name.partition(".")[0] == package


def with_weights(plain: nn.Module, full: nn.Module) -> nn.Module:
    """Returns a plain network with the weights of the same one of `torch_impl`."""
    own = set(plain.state_dict())
    state = {
        name: linear(full, name, value)
        for name, value in full.state_dict().items()
        if isinstance(value, torch.Tensor)
        # A loop has no second bias where that is zero.
        and (name in own or not name.endswith("bias_hh_l0"))
    }
    plain.load_state_dict(state)
    return plain


_OWN = ("torch_impl", "parity", "keras_impl")  # a plain port imports none of them
_ABOUT = (
    "",
    "Network and training need torch, NumPy and safetensors alone: `parts.py` has what torch lacks",
    "of the layers, and `rules.py` what it lacks of losses, optimizers and the rest. Only the test",
    "imports `parity` and `torch_impl`.",
)
_INITIAL = "what a seed draws: initial weights have Keras's distributions, and other values"
_ORDER = "the order of samples: torch draws it {}"
_ONCE = "once for a training, as Keras does after set_random_seed"
_EACH = "for each epoch, as Keras does without a seed"
_TEST = '''"""Compares the port with what Keras computed, without TensorFlow.

It is the only file here that imports parity and torch_impl: the port needs neither.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from parity import assert_parity

# Row, gates and axes in torch's order, of weights of Keras and their places here.
WEIGHTS: dict[Any, list[tuple[str, str]]] = {{
{weights}
}}


def port() -> Any:
    """Returns what train.py builds, in the form that parity compares."""
    from torch_impl import Port  # by the process that compares

    from {package} import train

    made = train.build()
    return Port(
{port}        load=load,
    )


def load(module: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Puts Keras's weights into the network."""
    tensors = module.state_dict()
    for (row, gates, axes), pairs in WEIGHTS.items():
        for keras, name in pairs:
            x = weights[keras] if row is None else weights[keras][row]
            if gates:
                parts = np.split(x, len(gates), axis=-1)
                x = np.concatenate([parts[gate] for gate in gates], axis=-1)
            tensor = tensors[name]
            tensor.copy_(tensor.new_tensor(x.transpose(axes)).reshape(tensor.shape))


def test_the_port_trains_as_keras_does() -> None:
    """Outputs, losses, gradients, weights after steps, rates and metrics."""
    reference = Path(__file__).with_name("reference.parity")
{call}
'''
