"""Layers that several models inside of a model have in common.

A config has such a layer once in each of these models. In a saved file, all but the first have a
`shared_object_id`; in what `to_json` and `get_config` return, nothing says that they are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn

from torch_impl.keras_config.graph import Config, name_of


class Sharing:
    """Builds a layer once that several models have.

    Args:
        names: of layers that are the same wherever their name stands.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)
        self._built: dict[str, list[nn.Module]] = {}
        self._again: set[str] = set()

    def build(self, layer: Config, build: Callable[[Config], nn.Module]) -> nn.Module:
        """Returns the module of a layer: the one that was built before, if it is the same layer.

        Raises:
            ValueError: several layers of that name were built before.
        """
        name = name_of(layer)
        before = self._built.setdefault(name, [])
        is_again = layer.get("shared_object_id") is not None or (name in self._names and before)
        if not is_again or not before:
            before.append(build(layer))
            return before[-1]
        if len(before) > 1:
            raise ValueError(f"it is one of {len(before)} layers of its name: expected other names")
        self._again.add(name)
        return before[0]

    def check(self) -> None:
        """Checks that each given name stands in several models.

        Raises:
            ValueError: one does not.
        """
        if missing := sorted(self._names - self._again):
            raise ValueError(f"shared={missing}: expected names of layers that several models have")
