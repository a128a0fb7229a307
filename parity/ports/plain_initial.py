"""Initial weights and penalties of a written module as source in plain torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from parity.ports.form import arguments, short_number
from parity.ports.initial import Draw
from parity.ports.wrapping import wrapped
from torch_impl import initializers
from torch_impl.initial_weights import with_axes
from torch_impl.initializers import Initializer, UnitForgetBias, VarianceScaling
from torch_impl.initializers.scaling import compute_fans
from torch_impl.layouts import joined_parameters
from torch_impl.weights import variable_of


def initial_lines(
    full: nn.Module, plain: nn.Module, draws: Sequence[Draw], left_out: list[str]
) -> list[str]:
    """Returns the statements that draw the initial weights of `model`.

    Args:
        full: the module with the parts of `torch_impl`.
        plain: the same without them.
        draws: of the first one.
        left_out: gets a sentence for each initialiser that has no plain form.
    """
    trained = {name: p for name, p in plain.named_parameters() if p.requires_grad}
    names = {id(module): name for name, module in full.named_modules()}
    by_text: dict[str, list[str]] = {}
    for draw in draws:
        if draw.initializer is None:
            continue
        variable = variable_of(full, draw.name)
        before = names[id(variable.module)]
        attributes = [f"{before}.{a}" if before else a for a in variable.attributes]
        shape = tuple(variable.to_keras(variable.tensors).shape)
        if attributes[0] not in trained:
            continue
        tensor = tuple(trained[attributes[0]].shape)
        try:
            text = _text(with_axes(draw.initializer, variable.module), shape, tensor)
        except ValueError as error:
            left_out.append(f"the initialiser of {draw.name!r}: {error}")
            continue
        by_text.setdefault(text, []).extend(name for name in attributes if name in trained)
    lines: list[str] = []
    for text, found in by_text.items():
        if len(found) == 1:
            weight = f'model.get_parameter("{found[0]}")'
            lines += wrapped(f"    {text.replace('{}', weight)}")
        elif found:
            inner = ", ".join(f'"{name}"' for name in found)
            head = wrapped(f"    for name in ({inner})", behind=1)
            lines += [*head[:-1], f"{head[-1]}:"]
            lines += wrapped(f"        {text.replace('{}', 'model.get_parameter(name)')}")
    return lines


def joined_biases(full: nn.Module, plain: nn.Module) -> list[str]:
    """Returns the modules of a plain network whose two biases are one variable in Keras.

    Args:
        full: the module with the parts of `torch_impl`.
        plain: the same without them.
    """
    trained = {name for name, p in plain.named_parameters() if p.requires_grad}
    names = {id(parameter): name for name, parameter in full.named_parameters()}
    sets = [[names[id(parameter)] for parameter in each] for each in joined_parameters(full)]
    return [each[0].rpartition(".")[0] for each in sets if trained.issuperset(each)]


def _text(initializer: Initializer, shape: Sequence[int], tensor: Sequence[int]) -> str:
    """Returns the statement that fills a weight, "{}".

    Args:
        initializer: of Keras.
        shape: of the weight in Keras's layout.
        tensor: its shape in torch.
    """
    kind = type(initializer).__name__
    given: Any = initializer
    if kind == "Zeros":
        return "nn.init.zeros_({})"
    if kind == "Ones":
        return "nn.init.ones_({})"
    if kind == "Constant" and not isinstance(given.value, tuple):
        return f"nn.init.constant_({{}}, {arguments(given.value)})"
    if kind == "RandomUniform":
        return f"nn.init.uniform_({{}}, {arguments(given.minval, given.maxval)})"
    if kind == "RandomNormal":
        return f"nn.init.normal_({{}}, {arguments(given.mean, given.stddev)})"
    if kind == "TruncatedNormal":
        return f"rules.truncated_normal_({{}}, {arguments(given.mean, given.stddev)})"
    if isinstance(initializer, UnitForgetBias) and initializer.bias == initializers.Zeros():
        return "rules.forget_ones_({})"
    if kind == "Orthogonal" and (len(shape) == 2 or tensor[0] == shape[-1]):
        gain = "" if given.gain == 1 else f", {given.gain}"
        return f"nn.init.orthogonal_({{}}{gain})"
    if isinstance(initializer, VarianceScaling):
        return _scaled(initializer, shape, tensor)
    raise ValueError(f"{kind}{' of an array' if kind == 'Constant' else ''} has no plain form")


def _scaled(initializer: VarianceScaling, shape: Sequence[int], tensor: Sequence[int]) -> str:
    axes = initializer.input_axes, initializer.output_axes
    fan_in, fan_out = compute_fans(shape, *axes)
    of_torch: tuple[int, ...] = ()
    if len(tensor) > 1:
        field = math.prod(tensor[2:])
        of_torch = (tensor[1] * field, tensor[0] * field)
    is_glorot = (initializer.scale, initializer.mode) == (1.0, "fan_avg")
    if is_glorot and initializer.distribution == "uniform" and (fan_in, fan_out) == of_torch:
        return "nn.init.xavier_uniform_({})"
    scale = initializer.scale
    if initializer.mode == "fan_avg":  # scale / ((inputs + outputs) / 2)
        variance = f"{short_number(2 * scale)} / ({fan_in} + {fan_out})"
    else:
        fan = max(1, {"fan_in": fan_in, "fan_out": fan_out}[initializer.mode])
        variance = f"{short_number(scale)} / {short_number(fan)}"
    if initializer.distribution == "untruncated_normal":
        return f"nn.init.normal_({{}}, 0.0, ({variance}) ** 0.5)"
    name = "uniform" if initializer.distribution == "uniform" else "normal"
    return f"rules.scaled_{name}_({{}}, {variance})"


def penalty_lines(penalties: Mapping[str, str], plain: nn.Module, left_out: list[str]) -> list[str]:
    """Returns the function `penalty` of a model; nothing if it has none.

    Args:
        penalties: name of a parameter -> source of its regulariser in `torch_impl`.
        plain: the module.
        left_out: gets a sentence for each regulariser that has no plain form.
    """
    known = {name for name, _ in plain.named_parameters()}
    by_text: dict[str, list[str]] = {}
    for name, text in penalties.items():
        kind, _, rest = text.removeprefix("regularizers.").partition("(")
        factors = [part.partition("=")[2] or part for part in rest[:-1].split(", ")]
        is_keras = text.startswith("regularizers.")  # the user's own may have such a name, too
        rule = {"L1": "l1", "L2": "l2", "L1L2": "l1_l2"}.get(kind) if is_keras else None
        if name not in known or rule is None:
            left_out.append(f"the regulariser {kind} of {name!r}: it has no plain form")
            continue
        default = "0.0" if kind == "L1L2" else "0.01"
        told = [factor or default for factor in factors]
        if kind == "L1L2":
            pairs = dict(part.split("=") for part in rest[:-1].split(", ") if "=" in part)
            told = [pairs.get(key, default) for key in ("l1", "l2")]
        by_text.setdefault(f"rules.{rule}({', '.join(told)})", []).append(name)
    if not by_text:
        return []
    lines = [
        "def penalty(model: nn.Module) -> torch.Tensor:",
        '    """Returns the regularisers of the weights, which are part of the loss."""',
    ]
    terms = [
        f'{text}(model.get_parameter("{name}"))'
        for text, names in by_text.items()
        for name in names
    ]
    if len(terms) == 1:
        return [*lines, *wrapped(f"    return {terms[0]}")]
    for number, term in enumerate(terms):
        lines += wrapped(f"    total = {'total + ' if number else ''}{term}")
    return [*lines, "    return total"]
