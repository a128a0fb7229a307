"""The results that a report can show, with paths shortened to their last part.

Other people read the report of a CI job on other machines. An absolute path is useless there and
reveals a user's folders, so only the last part of a path is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from parity.behaviour.diagnosis import Diagnosis
    from parity.bench.result import BenchResult
    from parity.ladder.result import Result
    from parity.sweeps.result import SweepResult

    AnyResult = Result | SweepResult | BenchResult | Diagnosis
T = TypeVar("T")

_PART = r"""[^\s/\\:"'<>|,;()\[\]]"""
# The folders before the last part, on any system. A slash inside a word does not start a path: it
# belongs to a relative path, a fraction or the address of a page. A single slash can be anything.
_FOLDERS = re.compile(
    rf"""file://+(?:{_PART}+/)*
    | (?<![\w.~:/\\<)\]]) /(?:{_PART}+/)+ (?={_PART})
    | (?<!\w) [A-Za-z]:[/\\](?:{_PART}+[/\\])+ (?={_PART})
    | (?<!\\) \\\\(?:{_PART}+\\)+ (?={_PART})""",
    re.VERBOSE,
)


def redact_paths(value: T) -> T:
    """Returns a value with absolute paths shortened to their last part.

    Args:
        value: a text, or anything that contains texts: a result, a mapping, a list, a tuple.
    """
    changed: T = _changed(value)
    return changed


def _changed(value: Any) -> Any:
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if field.init]
        return replace(value, **{name: _changed(getattr(value, name)) for name in names})
    if isinstance(value, Mapping):
        return {_changed(key): _changed(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_changed(entry) for entry in value)
    return value
