"""Names of metrics: the automatic one of a class, and those of the history.

Source: keras 3.15 `utils/naming.py`, `trainers/compile_utils.py` (`CompileMetrics.result`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

Names = Sequence[str] | Mapping[str, Sequence[str]]


def snake_case(name: str) -> str:
    """Returns Keras's name for a class: "AUC" is "auc", "MeanIoU" is "mean_io_u"."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def history_names(metrics: Names, weighted_metrics: Names = ()) -> list[str]:
    """Returns the keys under which Keras lists metrics, in the order of the metrics.

    A name that is there already gets a number: `auc`, `auc_1`. With several outputs, the name of
    the output comes first: `digit_auc`. A weighted metric gets "weighted_" only if its name is
    there already. A history adds "loss" and, of the validation, "val_"; it sorts the keys.

    Keras can make the same key twice, from the names `auc`, `auc_1`, `auc`. It then keeps the last
    metric alone.

    Args:
        metrics: names of what `compile(metrics=...)` got, in its order. With several outputs, a
            dictionary from the name of each output, in the order of the model.
        weighted_metrics: the same of `compile(weighted_metrics=...)`.
    """
    counts: dict[str, int] = {}
    names = [_numbered(prefix + name, counts) for prefix, name in _prefixed(metrics)]
    for prefix, name in _prefixed(weighted_metrics):
        is_taken = prefix + name in counts
        names.append(_numbered(f"{prefix}{'weighted_' if is_taken else ''}{name}", counts))
    return names


def _prefixed(metrics: Names) -> Iterator[tuple[str, str]]:
    if isinstance(metrics, str):
        raise ValueError(f"metrics={metrics!r}: expected a list of names, or a dictionary of lists")
    if isinstance(metrics, Mapping):
        for output, names in metrics.items():
            yield from ((f"{output}_", name) for name in names)
    else:
        yield from (("", name) for name in metrics)


def _numbered(name: str, counts: dict[str, int]) -> str:
    count = counts.get(name, 0)
    counts[name] = count + 1
    return f"{name}_{count}" if count else name
