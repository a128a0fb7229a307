"""The class of parts of a network that are alike: the numbers that differ are its arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from parity.ports.alike import Slot, differing, slots_of
from parity.ports.form import Parameter, order_of
from parity.ports.names import attribute, distinct
from parity.ports.program import Line, Program, Value
from torch_impl import layers
from torch_impl.keras_config.planned import Planned


def block_of(
    parts: Sequence[Sequence[Line]],
    inputs: Sequence[Sequence[Value]],
    outputs: Any,
    prefix: str = "",
) -> tuple[Program, dict[str, tuple[Any, ...]]]:
    """Returns the class of several parts, and the values of its parameters in each part.

    Args:
        parts: the lines of each.
        inputs: of each, the tensors that come from outside.
        outputs: those that the first part returns, in their structure.
        prefix: of the names of its layers.
    """
    owns: dict[str, str] = {}  # a module that is called twice has one name
    for number, line in enumerate(parts[0]):
        if line.is_module and line.name not in owns:
            names = [part[number].name for part in parts]
            owns[line.name] = distinct(_own(names, prefix), owns.values())
    vectors: dict[str, tuple[Any, ...]] = {}  # parameters in the order of their lines
    slots: dict[tuple[int, Slot], str] = {}
    for number, slot, vector in differing(parts):
        known = next((name for name, other in vectors.items() if other == vector), None)
        if known is None:
            line = parts[0][number]
            short = _slot_name(line.made, slot)
            known = short if short not in vectors else f"{owns[line.name]}_{short}"
            while known in vectors:
                known += "_"
            vectors[known] = vector
        slots[number, slot] = known
    lines = []
    for number, line in enumerate(parts[0]):
        given = {slot: Parameter(name) for (at, slot), name in slots.items() if at == number}
        made = line.made and _with_parameters(
            line.made, [part[number].made for part in parts], given
        )
        name = owns.get(line.name) or (line.name and _own([line.name], prefix))
        passed_on = {**line.given, **{str(slot): value for slot, value in given.items()}}
        lines.append(replace(line, name=name, made=made, given={} if made else passed_on))
    vectors = dict(sorted(vectors.items(), key=lambda pair: not is_size(pair[0])))
    block = Program("block", lines=lines, is_model=False)
    block.inputs = {value.name or "x": value for value in inputs[0]}
    if len(block.inputs) < len(inputs[0]):
        block.inputs = {f"x{n}": value for n, value in enumerate(inputs[0])}
    block.taken = {
        name: tuple(dict.fromkeys(given[place].written_shape for given in inputs))
        for place, name in enumerate(block.inputs)
    }
    block.outputs = outputs
    block.parameters = {name: vector[0] for name, vector in vectors.items()}
    block.has_shapes = len({tuple(v.shape for line in p for v in line.outputs) for p in parts}) == 1
    block.repeats = len(parts)
    return block, vectors


def is_size(parameter: str) -> bool:
    """Whether a parameter says how many channels or features there are; these come first."""
    return parameter.endswith(("channels", "features"))


def _with_parameters(
    made: Planned, all_made: Sequence[Planned | None], given: Mapping[Slot, Parameter]
) -> Planned:
    """Returns what makes a module in all parts."""
    settings = sorted({name for each in all_made if each is not None for name in each.settings})
    order = [*made.settings, *(name for name in settings if name not in made.settings)]
    values: dict[Slot, Any] = {**slots_of(made, order), **given}
    arguments = [values[place] for place in range(len(made.arguments))]
    return Planned(made.kind, *arguments, **{name: values[name] for name in order})


def _own(names: Sequence[str], prefix: str) -> str:
    """Returns the name of a layer within its block: without the prefix, or what counts the blocks.

    Args:
        names: of the layer in each part: "conv_1_bn" and "conv_2_bn" are conv_bn.
        prefix: of the first one.
    """
    if prefix:
        return attribute(names[0].removeprefix(prefix))
    columns = list(zip(*(name.split("_") for name in names), strict=False))
    kept = [column[0] for column in columns if len(set(column)) == 1]
    counts = [word for column in columns if len(set(column)) > 1 for word in column]
    if len({name.count("_") for name in names}) == 1 and kept and all(map(str.isdigit, counts)):
        return attribute(re.sub(r"_\d+$", "", "_".join(kept)))
    return attribute(re.sub(r"_\d+$", "", names[0]))


def _slot_name(made: Planned | None, slot: Slot) -> str:
    if isinstance(slot, str) or made is None:
        return str(slot)
    return list(order_of(made))[slot]


def family(lines: Sequence[Line]) -> str:
    """Returns the name of a class of such lines where Keras has none."""
    kinds = [line.made.kind for line in lines if line.made is not None]
    if any("Attention" in kind.__name__ for kind in kinds):
        return "transformer_block"
    if any("Conv" in kind.__name__ for kind in kinds):
        return "conv_block"
    recurrent = (layers.LSTM, layers.GRU, layers.SimpleRNN, layers.Bidirectional)
    if any(kind in recurrent for kind in kinds):
        return "recurrent_block"
    is_mlp = set(kinds) <= {nn.Linear, layers.Dropout, nn.Dropout} and kinds.count(nn.Linear) > 1
    return "mlp" if is_mlp else "block"
