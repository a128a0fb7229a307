"""The files of a port in plain torch, with its train.py, and what of it cannot be Keras's."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from parity.files.atomic import write_bytes
from parity.ports.custom.rules import about_step, with_custom_schedule
from parity.ports.custom.stubs import opens
from parity.ports.feed_text import Feed, plain_feed_of
from parity.ports.fit_text import RuleTexts, about_later, about_output, output_text
from parity.ports.form import literal
from parity.ports.guard import guard
from parity.ports.module_text import model_text, name_of_class
from parity.ports.plain import (
    as_plain,
    chosen,
    copied,
    linear,
    load_lines,
    names_of_parts,
    places_of,
    without_plain,
)
from parity.ports.plain_rules import (
    as_rule,
    callbacks_of,
    constraint_lines,
    initial_lines,
    joined_biases,
    loss_of,
    metrics_of,
    penalty_lines,
)
from parity.ports.program import (
    Program,
    Value,
    all_of,
    defined_in,
    has_masks,
    imported_from,
    names_called,
    names_used,
)
from parity.ports.reading_text import (
    Arrays,
    about_data,
    about_training,
    arrays_of,
    load_weights,
    opening,
    reading_of,
)
from parity.ports.train_text import (
    lacking_text,
    optimizer_text,
    parser_text,
    planned_parts,
    written,
)
from parity.ports.weights import Draw
from parity.ports.wrapping import from_import, imported, wrapped
from torch_impl import data_file, layers
from torch_impl.keras_config.compiled import compiled_of_facts
from torch_impl.keras_config.training import sentence_of_callback
from torch_impl.layouts import Variable
from torch_impl.losses.outputs import flat
from torch_impl.plain import training as loop

# --------------------------------------------------------------------------------------------------
#
# train.py of a port in plain torch, with the rules that it needs and the loop of a training.


# Names that train.py has itself, in each program or in some.
_NAMES = (
    *(name for name in dir(loop) if not name.startswith("_")),
    *("argparse", "Path", "np", "load_file", "rules", "WEIGHTS", "signature", "build"),
    *("initialise", "penalty", "load_weights", "feed", "read", "tensor", "main"),
    *data_file.__all__,
)


@dataclass
class PlainTrain:
    """What is written of a training.

    Attributes:
        train: source of train.py.
        rules: source of rules.py; "": nothing of it is needed.
        data_file: source of data_file.py.
        port: arguments of `Port` in the test.
        left_out: a sentence for each part that is missing.
        own: names of definitions in `train` that are code of the program's own.
        loop: source of the loop in it, which is that of this project.
    """

    train: str = ""
    rules: str = ""
    data_file: str = ""
    port: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    own: frozenset[str] = frozenset()
    loop: str = ""


def plain_train(
    facts: Mapping[str, Any],
    program: Program,
    modules: tuple[nn.Module, nn.Module],
    draws: Sequence[Draw],
    rules: RuleTexts,
    frozen: Sequence[str],
    names: tuple[str, str],
    feed: Feed,
) -> PlainTrain:
    """Returns the source of a training in plain torch.

    Args:
        facts: of the trace of the Keras half.
        program: the model.
        modules: of the program: with the parts of `torch_impl`, and plain.
        draws: of the initial weights.
        rules: of its weights and outputs, in `torch_impl`.
        frozen: statements that exclude weights from the training.
        names: of the package, and of the class of the model.
        feed: how images are augmented.
    """
    _, class_name = names
    loss_sources: dict[str, str] = {}
    used_names = (*_NAMES, class_name)
    compiled, schedules = with_custom_schedule(
        compiled_of_facts(facts), facts, used_names, plain=True
    )
    masked = has_masks(program)
    training = planned_parts(facts, compiled, loss_sources, _NAMES, is_masked=masked, plain=True)
    found = PlainTrain(left_out=[sentence for _, sentence in training.problems])
    given: dict[str, str] = {}
    body = [f"    model = {class_name}()"]
    initial = initial_lines(*modules, draws, found.left_out)
    if initial:
        body.append("    initialise(model)")
    body += [line for statement in frozen for line in wrapped(f"    {statement}")]
    loss = loss_of(training, found.left_out)
    if loss is not None:
        given["loss"] = loss
    if training.optimizer is not None:
        try:
            text = as_rule(optimizer_text(training.optimizer))
            if rules.joins_norms(training.optimizer) and (paths := joined_biases(*modules)):
                body += _biases(paths)
                text = re.sub(r"\bclip_norm\(([\d.e-]+)\)", r"clip_joined_norm(\1, biases)", text)
            body += wrapped(f"    optimizer = {text}")
            given["optimizer"] = "optimizer"
        except ValueError as error:
            found.left_out.append(f"the optimizer: {error}")
    metrics, measured = metrics_of(training, found.left_out)
    given |= metrics
    given |= callbacks_of(
        training,
        measured,
        found.left_out,
        list(compiled.outputs),
        has_optimizer="optimizer" in given,
    )
    found.left_out += [sentence_of_callback(name) for name in compiled.left_out]
    penalty = penalty_lines(rules.penalties, modules[1], found.left_out)
    if "optimizer" in given:
        body += constraint_lines(rules.constraints, *modules, found.left_out)
    for name, text in rules.activities.items():
        found.left_out.append(f"{text} of {name!r}: it has no plain form")
    if rules.undecayed:
        found.left_out.append("exclude_from_weight_decay of the optimizer: all weights decay here")
    if penalty and loss is not None:
        given["penalty"] = "penalty"
    if compiled.class_weight:
        given["class_weight"] = written(compiled.class_weight)
    outputs = list(compiled.outputs)
    if len(outputs) > 1:
        given["output_names"] = f"[{', '.join(map(literal, outputs))}]"
    output, turning = output_text(program, "rules.channels_last")
    given |= {"output": output} if output else {}
    body += about_output(output)
    given |= feed.given
    found.left_out += feed.left_out
    options = "".join(f", {name}={text}" for name, text in given.items())
    body += wrapped(f"    return Training(model{options})")
    found.own = defined_in([*schedules, *loss_sources.values(), *feed.functions])
    sections = [
        *(
            text.splitlines()
            for text in (*schedules, *loss_sources.values(), "\n".join(turning), *feed.functions)
            if text
        ),
        [
            "def build() -> Training:",
            '    """Returns the network with all that trains it, drawn by torch\'s generator."""',
            *body,
        ],
    ]
    if initial:
        head = wrapped(f"def initialise(model: {class_name}) -> None:")
        about = '    """Draws the initial weights, from the distributions of the Keras program."""'
        sections.append([*head, about, *initial])
    if penalty:
        sections.append(penalty)
    arrays = arrays_of(program, facts)
    functions = reading_of(program, facts, arrays, training.loss, by_name=len(outputs) > 1)
    sections = [*sections, load_weights(class_name), *functions]
    weightless = _weightless_text(loss_sources, arrays)
    return _files(found, sections, facts, given, program, arrays, names, weightless, feed)


def _biases(paths: Sequence[str]) -> list[str]:
    """Returns the statements that name the biases of some GRUs, two each."""
    names = f"({', '.join(map(literal, paths))}{',' if len(paths) == 1 else ''})"
    return [
        "    # both biases of a GRU are one variable in Keras, with one norm",
        *wrapped(f"    layers = [model.get_submodule(name) for name in {names}]"),
        "    biases = [(each.bias_ih_l0, each.bias_hh_l0) for each in layers]",
    ]


def _files(
    found: PlainTrain,
    sections: list[list[str]],
    facts: Mapping[str, Any],
    given: Mapping[str, str],
    program: Program,
    arrays: Arrays,
    names: tuple[str, str],
    weightless: str,
    feed: Feed,
) -> PlainTrain:
    package, class_name = names
    code = "\n\n\n".join("\n".join(lines) for lines in sections)
    used = names_used(code, "rules")
    fit = facts["program"]["fit"]
    features = [
        *_features(given, arrays, program),
        *(["seeded"] if draws_one_order(fit, feed) else []),
    ]
    copy, imports = chosen(["fit", "split_off"], features)
    main = _MAIN.format(
        parser="\n".join(wrapped(f"    {parser_text(fit)}")),
        shuffle=fit.get("shuffle") is not False and feed.is_shuffled,
        lacking=lacking_text("training", [n for n in ("loss", "optimizer") if n not in given]),
        opening="\n".join(opening(arrays)),
        weightless=weightless,
    )
    imports |= {
        "argparse": ("argparse", ""),
        "Path": ("pathlib", "Path"),
        "np": ("numpy", ""),
        "torch": ("torch", ""),
        "load_file": ("safetensors.torch", "load_file"),
    }
    if not re.search(r"(?<![\w.])np\.", code):
        del imports["np"]
    if weightless:
        imports["signature"] = ("inspect", "signature")
    if names_used(code, "F"):
        imports["F"] = ("torch.nn", "functional")
    readers = names_called(code + main, data_file.__all__)
    lines = [imported(imports), "", *([f"from {package} import rules"] if used else [])]
    lines += from_import(f"{package}.data_file", readers)
    lines += [f"from {package}.model import {class_name}"]
    more = [*about_step(fit, is_plain=True), *about_later(fit)]
    about = about_training(package, "does, in plain torch", arrays, more, feed.data)
    head = "\n".join(lines)
    weights = 'WEIGHTS = Path(__file__).with_name("weights.safetensors")'
    found.train = f"{about}\n\n{head}\n\n{weights}\n\n\n{code}\n\n\n{copy}\n\n\n{main}"
    if used:
        found.rules = copied(used, "Rules of the training that torch has not, or has otherwise.")
    about_file = "Reads the command line and the file of data, and says what is wrong with them."
    found.loop = copy
    found.data_file = copied(readers, about_file)
    found.port = _port(given, program)
    return found


_FEATURES = {
    "schedulers": "schedulers",
    "early_stopping": "stopping",
    "penalty": "penalty",
    "class_weight": "classes",
    "output": "turned",
    "augment": "augmented",
    "prepare": "prepared",
}


def draws_one_order(fit: Mapping[str, Any], feed: Feed) -> bool:
    """Whether a training has one order of samples: a flow draws one for each epoch."""
    return bool(fit.get("is_seeded")) and not feed.is_written


def _features(given: Mapping[str, str], arrays: Arrays, program: Program) -> list[str]:
    """Returns what a program has of the loop: see `parity.ports.plain`."""
    found = [feature for name, feature in _FEATURES.items() if name in given]
    is_one = len(arrays.inputs) == len(arrays.targets) == 1 and isinstance(program.outputs, Value)
    if not is_one or "OutputLosses" in given.get("loss", ""):
        found.append("nest")
    return [*found, "called"] if {"nest", "turned"} & set(found) else found


def _port(given: Mapping[str, str], program: Program) -> list[str]:
    """Returns the arguments of `Port` for what `build` returns."""
    lines = ["made.model"]
    if "output_names" in given and "OutputLosses" in given.get("loss", ""):
        lines += ["loss=dict(made.loss.losses)", "loss_weights=made.loss.weights"]
        lines += ["output_names=made.output_names"]
    elif "loss" in given:
        lines.append("loss=made.loss")
    rows = {
        "optimizer": "optimizer=made.optimizer",
        "schedulers": "scheduler=made.schedulers",
        "early_stopping": "early_stopping=made.early_stopping",
        "metrics": "metrics=made.metrics",
        "penalty": "added_loss=made.penalty",
        "class_weight": "class_weight=made.class_weight",
        "output": "output=made.output",
    }
    lines += [text for name, text in rows.items() if name in given]
    if len(program.inputs) == 1:
        lines.append("feed=train.feed")
    return lines


def _weightless_text(losses: Collection[str], arrays: Arrays) -> str:
    """Returns statements that end a training with weights which a loss does not take.

    Args:
        losses: names of the losses that are to be written.
        arrays: in a file of data.
    """
    if not losses or not arrays.takes_weights:  # then no file may have any
        return ""
    names = f"({', '.join(losses)},)" if len(losses) == 1 else f"({', '.join(losses)})"
    lines = [
        '    if any(name.startswith("weight") for name in file):',
        *wrapped(f"        for loss in {names}:"),
        '            if "sample_weight" not in signature(loss).parameters:',
        '                text = f"give {loss.__name__} the argument sample_weight, (N,)"',
        '                raise SystemExit(f"the file has weights, its loss takes none: {text}")',
    ]
    return "".join(f"{line}\n" for line in lines)


_MAIN = '''def main() -> None:
    """Trains as `fit` does, and prints loss and metrics of each epoch."""
{parser}
    parser.add_argument(
        "--shuffle", action=argparse.BooleanOptionalAction, default={shuffle}
    )
    parser.add_argument(
        "--from-keras", action="store_true", help="begin with the weights of the model"
    )
    given = parser.parse_args()
    torch.set_default_dtype(getattr(torch, given.dtype))
{opening}
{weightless}    data, validation = read(file), None
    if is_validated(file):
        validation = read(file, "_val")
    elif validation_share(file, given.validation_split):
        data, validation = split_off(data, given.validation_split)
    torch.manual_seed(given.seed)
    training = build()
{lacking}    if given.from_keras:
        load_weights(training.model)
    history = fit(
        training,
        data,
        validation,
        epochs=given.epochs,
        batch_size=given.batch_size,
        shuffle=given.shuffle,
    )
    for name, values in history.items():
        print(name, *(f"{{value:.6g}}" for value in values))
    if given.out is not None:
        torch.save(training.model.state_dict(), given.out)


if __name__ == "__main__":
    main()
'''


# --- The files of a port in plain torch, and what of it cannot be Keras's -------------------------


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
    foreign = [
        f"{name} of torch_impl has no plain part" for name in imported_from(model, _OF_PROJECT)
    ]
    foreign += [f"{name} is no part" for name in sorted(parts - names_of_parts())]
    if foreign:
        raise without_plain(foreign)
    if parts:
        files["parts.py"] = copied(parts, "Parts of the network that torch has not.")
    guard(files, out.name)
    for name, text in files.items():
        write_bytes(out / name, text.encode())
    class_name = name_of_class(program)
    module = with_weights(imported_package(out, class_name), full)
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
    custom_names = () if facts.get("model_file") else train.own
    guard(files, out.name, own=custom_names, verbatim=[train.loop, empty])
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
    listed = ", ".join(repr(name) for name in dict.fromkeys(names))
    return [f"masks and noise of the layers {listed}: their law is Keras's, their numbers are not"]


def imported_package(out: Path, class_name: str) -> nn.Module:
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
    names = set(plain.state_dict())
    state = {
        name: linear(full, name, value)
        for name, value in full.state_dict().items()
        if isinstance(value, torch.Tensor)
        # A loop has no second bias where that is zero.
        and (name in names or not name.endswith("bias_hh_l0"))
    }
    plain.load_state_dict(state)
    return plain


_OF_PROJECT = ("torch_impl", "parity", "keras_impl")  # a plain port imports none of them
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
