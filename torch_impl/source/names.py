"""Names in the written source: of modules, of classes, and of the variables of a `forward`."""

from __future__ import annotations

import itertools
import keyword
import re
from collections.abc import Iterable, Sequence

from torch import nn

_TAKEN = frozenset(dir(nn.Module())) | {
    "self",
    "F",
    "nn",
    "torch",
    "layers",
    "activations",
    "arrays",
    "clip",
    "with_mask",
}
_DEFAULT = re.compile(r"(sequential|functional|model)(_\d+)?")


def attribute(name: str) -> str:
    """Returns Keras's name of a layer as an attribute of a module.

    A number in front goes to the end: "1_conv" is conv_1.
    """
    name = re.sub(r"\W", "_", name)
    number = re.match(r"(\d+)_?", name)
    if number is not None:
        name = f"{name[number.end() :]}_{number[1]}" if number.end() < len(name) else f"_{name}"
    return f"{name}_" if name in _TAKEN or keyword.iskeyword(name) else name


def held_name(name: str) -> str:
    """Returns the attribute of a layer of the user's as one of a module: "parts.0" stays.

    What `nn.Module` has itself gets another name: "modules" is modules_.
    """
    first, dot, rest = name.partition(".")
    return f"{attribute(first)}{dot}{rest}"


def class_name(name: str) -> str:
    """Returns Keras's name of a model as that of a class; "Net" for a name that Keras gave.

    A number at the end tells models apart. Several are settings, which name no class:
    "mobilenetv2_1.00_224" is Mobilenetv2.
    """
    if _DEFAULT.fullmatch(name):
        return "Net"
    words = re.split(r"[\W_]+", name)
    numbers = list(itertools.takewhile(str.isdigit, reversed(words)))
    if 1 < len(numbers) < len(words):
        words = words[: -len(numbers)]
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return joined if joined[:1].isalpha() else f"Net{joined}"


def distinct(name: str, taken: Iterable[str]) -> str:
    """Returns the name, with a number behind it if it is taken."""
    used, number, found = set(taken), 1, name
    while found in used:
        number += 1
        found = f"{name}{number}"
    return found


def common_prefix(names: Sequence[str]) -> str:
    """Returns what names have in common up to their last "_"; "" if one name is all of it."""
    if not names:
        return ""
    least, most = min(names), max(names)
    length = next((n for n, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), None)
    shared = least[: len(least) if length is None else length]
    return shared[: shared.rfind("_") + 1]


def block_name(prefixes: Sequence[str], family: str) -> str:
    """Returns the name of a class for parts whose layers have names with a prefix.

    Args:
        prefixes: of each part, "conv2_block1_"; or "". Numbers aside, all have to be the same:
            "down1_" says nothing of the part "bottom_".
        family: its name without a prefix.
    """
    found = set()
    for prefix in prefixes:
        words = [re.sub(r"\d+[a-z]?$", "", word) for word in prefix.split("_")]
        found.add("_".join(word for word in words if word and not word.isdigit()))
    shared = found.pop() if len(found) == 1 else ""
    return class_name(family if not shared or _DEFAULT.fullmatch(shared) else shared)
