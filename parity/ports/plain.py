"""as_plain: a program whose parts of `torch_impl` are torch's, or those of `parts`.

It is a third way to write a row of the table of forms: the calls stay, and what they call has the
arguments of the part of `torch_impl`. What has no plain part is refused by name.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from parity.ports.form import Parameter
from parity.ports.program import Line, Program, all_of
from parity.ports.wrapping import scanned
from torch_impl import layers
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.problems import NoTwinError
from torch_impl.plain import (
    activations,
    attention,
    categories,
    conv_lstm,
    convolutions,
    merging,
    noise,
    normalization,
    operations,
    pools,
    recurrent,
    resizing,
)

_PARTS = (
    *(activations, attention, categories, convolutions, merging, noise, normalization, pools),
    *(conv_lstm, recurrent, resizing),
)
_DROPPING = (layers.Dropout, layers.SpatialDropout, layers.AlphaDropout)
_OWN_SEEDS = ("seed", "random_dtype")  # of streams of numbers that torch has not


@dataclass(frozen=True)
class Called:
    """How a module is called.

    Attributes:
        rank: number of axes of its first input.
        masked: whether it is told a mask.
    """

    rank: int
    masked: bool


Row = Callable[[Planned, Called], Planned]


def without_seeds(program: Program) -> None:
    """Leaves the seeds of layers away, which plain layers do not have.

    It comes before parts that repeat are looked for: seeds would be arguments of these.
    """
    for each in all_of(program):
        each.lines = [
            line if line.made is None else replace(line, made=_without_seeds(line.made))
            for line in each.lines
        ]


def as_plain(program: Program) -> None:
    """Replaces the parts of `torch_impl` in a program.

    Args:
        program: also those inside of it are changed.

    Raises:
        NoTwinError: some parts have no plain one, with the reasons of all of them.
    """
    problems: list[str] = []
    for each in all_of(program):
        lines = []
        for line in each.lines:
            try:
                lines.append(_plain(line))
            except ValueError as error:
                problems.append(f"layer {line.name!r}: {error}")
        each.lines = lines if not problems else each.lines
    if problems:
        raise without_plain(problems)


def without_plain(problems: Sequence[str]) -> NoTwinError:
    """Returns the error of what has no plain form.

    Args:
        problems: a sentence for each part.
    """
    if len(problems) == 1:
        return NoTwinError([f"{problems[0]}, which --plain needs"])
    return NoTwinError(problems, "plain form, which --plain needs")


def is_part(kind: Any) -> bool:
    """Whether a class or function is one of `parts`."""
    return str(getattr(kind, "__module__", "")).startswith("torch_impl.plain.")


def arguments_of(part: Any) -> set[str]:
    """Returns the names of the arguments of a part, those of its base if it passes them on."""
    found: set[str] = set()
    kinds = inspect.getmro(part) if inspect.isclass(part) else (part,)
    for kind in kinds:
        made = vars(kind).get("__init__") if inspect.isclass(kind) else kind
        if made is None:
            continue
        told = inspect.signature(made).parameters
        found |= {name for name, each in told.items() if each.kind is not each.VAR_KEYWORD}
        if len(found) and all(each.kind is not each.VAR_KEYWORD for each in told.values()):
            break
    return found - {"self"}


def _plain(line: Line) -> Line:
    text, why, made = with_plain_functions(line.text), line.why, line.made
    if made is None:
        return replace(line, text=text)
    if made.kind in (*_DROPPING, layers.GaussianNoise, layers.GaussianDropout):
        why = ""
        settings = dict(made.settings)
        # Values are dropped one by one, in any layout; torch drops whole channels of (N, C, ...).
        if settings.pop("channels_last", False) and made.kind is layers.SpatialDropout:
            text = "{self}({0}.movedim(-1, 1)).movedim(1, -1)"
        made = Planned(made.kind, *made.arguments, **settings)
    rank = len(line.inputs[0].shape) if line.inputs else 0
    called = Called(rank, "mask=" in text)
    found = _made(made, called)
    if is_part(found.kind):
        taken = inspect.signature(found.kind.forward).parameters  # type: ignore[attr-defined]
        unknown = sorted(set(_keywords(text)) - set(taken))
        if unknown:
            raise ValueError(f"{_name(made.kind)} that is told {unknown} has no plain part")
    return replace(line, text=text, made=found, why=why)


def _keywords(text: str) -> list[str]:
    """Returns the names of the arguments that a module is called with."""
    inner, depth = "", 0
    for letter in scanned(text).partition("{self}(")[2]:
        depth += (letter in "([") - (letter in ")]")
        if depth < 0:
            break
        inner += letter
    return re.findall(r"(\w+)=", inner)


def with_plain_functions(text: str, home: str = "parts") -> str:
    """Returns an expression with plain functions.

    Args:
        text: with "{0}", "{1}" for its tensors.
        home: module of the package that has the functions.

    Raises:
        ValueError: a function has no plain form.
    """
    for name in re.findall(r'OPERATIONS\["(\w+)"\]', text):
        function = getattr(operations, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), None)
        unknown = set(_keywords_of(text, name)) - arguments_of(function) if function else set()
        if function is None or unknown:
            told = f" with {', '.join(sorted(unknown))}" if unknown else ""
            raise ValueError(f"the operation {name}{told} has no plain function")
        text = text.replace(f'OPERATIONS["{name}"](', f"{home}.{function.__name__}(")
    text = re.sub(r"(?<![\w.])clip\((\{\d\}), low=", rf"{home}.maximum(\1, ", text)
    text = re.sub(r"(?<![\w.])clip\((\{\d\}), high=", rf"{home}.minimum(\1, ", text)
    for name in re.findall(r"\bactivations\.(\w+)\(", text):
        if not hasattr(activations, name):
            raise ValueError(f"the activation {name} has no plain function")
    text = re.sub(r"\bactivations\.(\w+)\(", rf"{home}.\1(", text)
    text = re.sub(r"\bthrough_float32\(", f"{home}.in_float32(", text)
    return re.sub(r"\bwith_mask\(", f"{home}.with_mask(", text)


def _keywords_of(text: str, operation: str) -> list[str]:
    """Returns the names of the arguments of an operation."""
    tree = ast.parse(re.sub(r"\{\w+\}", "x", text), mode="eval")
    return [
        str(keyword.arg)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and f"'{operation}'" in ast.unparse(call.func)
        for keyword in call.keywords
    ]


def _made(planned: Planned, called: Called) -> Planned:
    """Returns the plain module for a planned one."""
    kind: Any = planned.kind
    if str(getattr(kind, "__module__", "")).startswith("torch.nn."):
        return planned
    row = _ROWS.get(kind)
    return _same(planned, called) if row is None else row(planned, called)


def _same(planned: Planned, called: Called, name: str = "") -> Planned:
    """Returns the part of the same name, which takes the same arguments."""
    name = name or _name(planned.kind)
    part = next((found for m in _PARTS if (found := getattr(m, name, None)) is not None), None)
    if part is None or not is_part(part):
        raise ValueError(f"{name} has no plain part")
    plain = _without_seeds(planned)
    unknown = sorted(set(plain.settings) - arguments_of(part))
    if unknown:
        told = ", ".join(f"{key}={plain.settings[key]!r}" for key in unknown)
        raise ValueError(f"{name} with {told} has no plain part")
    inside = [_made(a, called) if isinstance(a, Planned) else a for a in plain.arguments]
    return Planned(part, *inside, **plain.settings)


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _without_seeds(planned: Planned) -> Planned:
    if planned.kind is layers.Hashing:
        return planned
    inside = [_without_seeds(a) if isinstance(a, Planned) else a for a in planned.arguments]
    settings = {key: value for key, value in planned.settings.items() if key not in _OWN_SEEDS}
    return Planned(planned.kind, *inside, **settings)


def _dropout(planned: Planned, called: Called) -> Planned:
    return _dropping(planned, nn.Dropout)


def _alpha(planned: Planned, called: Called) -> Planned:
    return _dropping(planned, nn.AlphaDropout)


def _spatial(planned: Planned, called: Called) -> Planned:
    kinds = {3: nn.Dropout1d, 4: nn.Dropout2d, 5: nn.Dropout3d}
    return _dropping(planned, kinds[called.rank])


def _dropping(planned: Planned, kind: Any) -> Planned:
    given = _without_seeds(planned)
    if set(given.settings) - {"rate"}:
        raise ValueError(f"{_name(planned.kind)} with {dict(given.settings)} has no plain part")
    return Planned(kind, *given.arguments, *given.settings.values())


def _recurrent(planned: Planned, called: Called) -> Planned:
    """Returns torch's layer if it has these activations and drops nothing, else a loop."""
    name, settings = _name(planned.kind), dict(_without_seeds(planned).settings)
    if not (settings.get("dropout") or settings.get("recurrent_dropout")):
        settings.pop("implementation", None)
    if not called.masked:
        settings.pop("zero_output_for_mask", None)
    plain = Planned(planned.kind, *planned.arguments, **settings)
    _check_functions(plain)
    stock = {"return_sequences", "return_state", "go_backwards", "use_bias", "units"}
    if name == "SimpleRNN" or (set(settings) <= {*stock, "input_size"} and not called.masked):
        return _same(plain, called)
    return _same(plain, called, f"{name}Loop")


def _check_functions(planned: Planned) -> None:
    for key in ("activation", "recurrent_activation"):
        value = planned.settings.get(key, "tanh")
        if not isinstance(value, Parameter) and value not in recurrent.FUNCTIONS:
            raise ValueError(f"{_name(planned.kind)} with {key}={value!r} has no plain part")


def _conv_lstm(planned: Planned, called: Called) -> Planned:
    _check_functions(planned)
    settings = dict(_without_seeds(planned).settings)
    if not called.masked:
        settings.pop("zero_output_for_mask", None)
    return _same(Planned(planned.kind, *planned.arguments, **settings), called)


def _attention(planned: Planned, called: Called) -> Planned:
    """The part takes sizes where that of `torch_impl` takes shapes."""
    given = planned.named
    others = ("sliding_window", "flash_attention", "use_gate")
    shapes = [given[key] for key in ("query_shape", "value_shape", "key_shape")]
    wrong = {key: given[key] for key in others if given[key]}
    if given["attention_axes"] not in (None, 1, (1,), [1]):
        wrong["attention_axes"] = given["attention_axes"]
    if any(isinstance(shape, Parameter) for shape in shapes):
        raise ValueError("MultiHeadAttention of several sizes in one block has no plain part")
    if any(shape is not None and len(shape) != 2 for shape in shapes):
        wrong["query_shape"] = shapes[0]
    if not isinstance(given["output_shape"] or 1, int):
        wrong["output_shape"] = given["output_shape"]
    if given["use_bias"] and given["num_heads"] > 1:  # Keras takes its axis for that of steps
        wrong |= {key: 1 for key in ("key_dim", "value_dim") if given[key] == 1}
    if wrong:
        raise ValueError(f"MultiHeadAttention with {wrong} has no plain part")
    sizes = [None if shape is None else shape[-1] for shape in shapes]
    query, value, key = sizes
    settings: dict[str, Any] = {}
    if value not in (None, query):
        settings["value_size"] = value
    if key not in (None, value or query):
        settings["key_size"] = key
    if given["value_dim"] not in (None, given["key_dim"]):
        settings["value_dim"] = given["value_dim"]
    if given["dropout"]:
        settings["dropout"] = given["dropout"]
    if not given["use_bias"]:
        settings["use_bias"] = False
    if given["output_shape"] not in (None, query):
        settings["output_size"] = given["output_shape"]
    part = attention.MultiHeadAttention
    return Planned(part, given["num_heads"], given["key_dim"], query, **settings)


def _einsum(planned: Planned, called: Called) -> Planned:
    module: Any = planned.build()
    bias = () if module.bias is None else tuple(module.bias.shape)
    if len(bias) > 1 and sum(side > 1 for side in bias) == 1:
        raise ValueError(f"EinsumDense with a bias of shape {bias} has no plain part")
    settings = {"bias_shape": bias} if bias else {}
    return Planned(attention.EinsumDense, module.equation, tuple(module.weight.shape), **settings)


def _bidirectional(planned: Planned, called: Called) -> Planned:
    if planned.named.get("merge_mode", "concat") is None:
        raise ValueError("Bidirectional with merge_mode=None has no plain part")
    for inside in planned.arguments:  # whose outputs have their channels behind the steps
        if isinstance(inside, Planned) and _ROWS.get(inside.kind) is _conv_lstm:
            raise ValueError(f"{_name(inside.kind)} in both directions has no plain part")
    return _same(planned, called)


def _upsampling(planned: Planned, called: Called) -> Planned:
    interpolation = planned.named.get("interpolation", "nearest")
    if interpolation != "bilinear":  # torch has other weights for cubic ones, and no Lanczos
        raise ValueError(f"UpSampling with interpolation={interpolation!r} has no plain part")
    return Planned(resizing.UpSampling, planned.named.get("size", 2))


def _category_encoding(planned: Planned, called: Called) -> Planned:
    settings = dict(planned.settings)
    dtype = settings.pop("dtype", torch.float32)
    if dtype not in (torch.float32, torch.float64):  # those of the network
        raise ValueError(f"CategoryEncoding with {dtype=} has no plain part")
    return _same(Planned(planned.kind, *planned.arguments, **settings), called)


_ROWS: dict[Any, Row] = {
    layers.CategoryEncoding: _category_encoding,
    layers.UpSampling: _upsampling,
    layers.Dropout: _dropout,
    layers.AlphaDropout: _alpha,
    layers.SpatialDropout: _spatial,
    layers.LSTM: _recurrent,
    layers.GRU: _recurrent,
    layers.SimpleRNN: _recurrent,
    layers.ConvLSTM1D: _conv_lstm,
    layers.ConvLSTM2D: _conv_lstm,
    layers.ConvLSTM3D: _conv_lstm,
    layers.Bidirectional: _bidirectional,
    layers.MultiHeadAttention: _attention,
    layers.EinsumDense: _einsum,
}
