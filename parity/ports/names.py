"""Names in the written source: of modules, of classes, and of the variables of a `forward`."""

from __future__ import annotations

import builtins
import itertools
import keyword
import re
import types
import unicodedata
from collections.abc import Iterable, Sequence

from torch import nn

from torch_impl import data_file
from torch_impl.plain import training

_OF_PYTHON = frozenset({*dir(builtins), *keyword.kwlist, *keyword.softkwlist})
# Attributes by which a generator, a function or an error leads to all of Python.
INSIDE = frozenset(
    name
    for kind in (
        *(types.AsyncGeneratorType, types.CodeType, types.CoroutineType, types.FrameType),
        *(types.GeneratorType, types.TracebackType),
    )
    for name in dir(kind)
    if re.match(r"(gi|cr|ag|tb|co|f)_", name)
)
_OF_MODULES = frozenset(dir(nn.Module()))
# What a module has itself, and names that model.py imports.
_TAKEN = _OF_MODULES | {
    *("self", "F", "nn", "torch", "layers", "activations", "arrays", "clip", "with_mask", "parts"),
    *("OPERATIONS", "OrderedDict", "through_float32"),
}
# Classes and constants that train.py, model.py and the test import or define.
_OF_FILES = frozenset(
    {*("Any", "Arrays", "Path", "Port", "Trainer", "KerasSeeds", "Penalty", "RegularizedLoss")}
    | {*("F", "OPERATIONS", "OrderedDict", "WEIGHTS", "Mapping")}
    | {name for name in dir(training) if not name.startswith("_")}
    | set(data_file.__all__)
)
_DEFAULT = re.compile(r"(sequential|functional|model)(_\d+)?")
_LONGEST = 100  # characters of a name; nobody reads a longer one


def identifier(name: str, taken: Iterable[str] = (), instead: str = "layer") -> str:
    """Returns a name as an identifier, whatever text it is: the one function that makes them.

    It is in Python's normal form (NFKC), so that two that look different to Python do so to all;
    is no word of Python, and does not begin with "__", which a class would read otherwise. A number
    in front goes to the end: "1_conv" is conv_1.

    Args:
        name: any text.
        taken: names that it must not be; it gets a "_" at its end then.
        instead: of a name without letters and digits.
    """
    name = unicodedata.normalize("NFKC", name[:_LONGEST])[:_LONGEST]
    name = "".join(each if f"a{each}".isidentifier() else "_" for each in name)
    name = unicodedata.normalize("NFKC", name)
    if not re.search(r"[^\W_]", name):
        name = instead
    elif re.search(r"[^\W\d_]", name):
        while (number := re.match(r"(\d+)_?", name)) is not None:
            name = f"{name[number.end() :]}_{number[1]}"
    name = re.sub(r"^_{2,}", "_", name)
    if not name.isidentifier():
        name = f"_{name}"
    is_taken = name in taken or name in _OF_PYTHON or name in INSIDE
    return f"{name}_" if is_taken else name


def is_plain(name: str) -> bool:
    """Whether a name can stand in the text of a sentence, of a path and of a comment as it is.

    It has letters, digits, "_", " ", "-", "+" and ":" alone, in Python's normal form.
    """
    letters = re.sub(r"[ +:-]", "", name)
    is_normal = unicodedata.normalize("NFKC", name) == name == name.strip()
    return bool(letters) and is_normal and f"_{letters}".isidentifier() and len(name) <= _LONGEST


def attribute(name: str) -> str:
    """Returns Keras's name of a layer as an attribute of a module: see `identifier`."""
    return identifier(name, _TAKEN)


def held_name(name: str) -> str:
    """Returns the attribute of a layer of the user's as one of a module: "parts.0" stays.

    What `nn.Module` has itself gets another name: "modules" is modules_.
    """
    first, dot, rest = name.partition(".")
    return f"{identifier(first, _OF_MODULES)}{dot}{rest}"


def input_names(names: Iterable[str]) -> dict[str, str]:
    """Returns the argument of a `forward` for each input, by Keras's names of these."""
    found: dict[str, str] = {}
    for name in names:
        found[name] = distinct(attribute(name), found.values())
    return found


def class_name(name: str) -> str:
    """Returns Keras's name of a model as that of a class; "Net" for a name that Keras gave.

    A number at the end tells models apart. Several are settings, which name no class:
    "mobilenetv2_1.00_224" is Mobilenetv2.
    """
    if _DEFAULT.fullmatch(name):
        return "Net"
    words = re.split(r"[\W_]+", unicodedata.normalize("NFKC", name[:_LONGEST]))
    numbers = list(itertools.takewhile(str.isdigit, reversed(words)))
    if 1 < len(numbers) < len(words):
        words = words[: -len(numbers)]
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    made = identifier(joined if joined[:1].isalpha() else f"Net{joined}", instead="Net")
    return f"{made.rstrip('_')}Net" if made in _OF_FILES or made != made.rstrip("_") else made


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
