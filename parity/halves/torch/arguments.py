"""The plain arguments of a torch function: `F.leaky_relu(x, 0.2)` has a negative_slope of 0.2.

A function and what it was called with go in; names and values come out, the defaults of torch
included, so that they can be compared with the settings of a Keras layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Function without its rank -> its arguments in order; those without a value are tensors or have no
# default. Most of these functions have no signature that Python could read.
_TABLE = """
    conv: input weight bias stride=1 padding=0 dilation=1 groups=1
    conv_transpose: input weight bias stride=1 padding=0 output_padding=0 groups=1 dilation=1
    max_pool: input kernel_size stride padding=0 dilation=1 ceil_mode=False
    avg_pool: input kernel_size stride padding=0 ceil_mode=False count_include_pad=True
    leaky_relu: input negative_slope=0.01
    elu: input alpha=1.0
    gelu: input approximate=none
    pad: input pad mode=constant value
    dropout: input p=0.5 training=True
    softmax: input dim
    log_softmax: input dim
    interpolate: input size scale_factor mode=nearest align_corners=False
    batch_norm: input mean var weight bias training=False momentum=0.1 eps=1e-05
    layer_norm: input normalized_shape weight bias eps=1e-05
    group_norm: input num_groups weight bias eps=1e-05
    rms_norm: input normalized_shape weight eps
"""


def _value(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text) if "." in text or "e-" in text else int(text)
    except ValueError:
        return text


def _read(table: str) -> dict[str, list[tuple[str, Any]]]:
    found = {}
    for line in table.strip().splitlines():
        name, _, arguments = line.strip().partition(": ")
        pairs = [argument.partition("=") for argument in arguments.split()]
        found[name] = [(key, _value(value) if value else None) for key, _, value in pairs]
    return found


_ARGUMENTS = _read(_TABLE)


def names_of(function: str) -> tuple[str, ...]:
    """Returns the names of a function's arguments in order; the input alone if they are not known.

    Args:
        function: its name, such as "max_pool2d" or "leaky_relu_".
    """
    name = function[:-2] if function[-2:] in ("1d", "2d", "3d") else function
    rows = _ARGUMENTS.get(name.rstrip("_"))
    return ("input",) if rows is None else tuple(name for name, _ in rows)


def arguments_of(
    function: str, positional: Sequence[Any], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the numbers, words and lists of numbers among the arguments of a function.

    Args:
        function: its name, such as "max_pool2d".
        positional: its positional arguments, the input first.
        keywords: its other arguments.
    """
    rows = _ARGUMENTS.get(function[:-2] if function[-2:] in ("1d", "2d", "3d") else function, [])
    given = {
        name: positional[number] if number < len(positional) else keywords.get(name, default)
        for number, (name, default) in enumerate(rows)
    }
    return {name: value for name, value in given.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(item, int | float) for item in value)
    return isinstance(value, bool | int | float | str)
