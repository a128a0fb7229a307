"""`.weights.h5` of Keras 3: a group for every layer, by the class of the layer and a number.

    layers/dense_1/vars/0            the variables of a layer by number; the attribute `name` of the
                                     group `vars` is Keras's name of the layer
    layers/bidirectional/forward_layer/cell/vars/0      a layer in a layer, by its attribute
    optimizer/vars/0                 those of the optimizer

Files of the first versions of Keras 3 have no names. Then `holder` is "", and the configuration of
the model says which layer a group is.
"""

from __future__ import annotations

from pathlib import Path

import h5py

from parity.weights.hdf5 import Tree, opened, stored_array, text_of
from parity.weights.stored import Stored, StoredArray

_VARS, _OPTIMIZER = "vars", "optimizer"
# Attributes of layers that are containers, and no layer themselves.
_METRICS = "metrics"  # of Keras 2, beside the layers
_STATES = ("seed_generator",)  # what they hold is the state of a generator, and no weight


def read_weights_h5(path: Path) -> tuple[list[StoredArray], list[StoredArray]]:
    """Returns the weights of a file, and the variables of its optimizer.

    Raises:
        ValueError: it has another form.
    """
    file = h5py.File(path, "r")  # open as long as its arrays are read
    tree = Tree(file)
    weights: list[StoredArray] = []
    slots: list[StoredArray] = []

    def walk(group: h5py.Group, names: tuple[str | None, ...], below: tuple[str, ...]) -> None:
        members = tree.members(group)
        own = members.pop(_VARS, None)
        if isinstance(own, h5py.Group):
            if below:
                names = (*names, text_of(own, "name"))
            _variables(tree, own, names, below, slots if below[:1] == (_OPTIMIZER,) else weights)
        elif own is not None:
            raise ValueError(f"{group.name[:80]!r} has an array {_VARS!r}; expected a group")
        for name, member in members.items():
            if isinstance(member, h5py.Dataset):
                raise ValueError(f"{member.name[:80]!r} is not in a group {_VARS!r}")
            if name not in _STATES and (below or name != _METRICS):
                walk(member, names, (*below, name))

    walk(file, (), ())
    if not weights:
        raise ValueError("it holds no weights")
    return weights, slots


def _variables(
    tree: Tree,
    group: h5py.Group,
    names: tuple[str | None, ...],
    below: tuple[str, ...],
    found: list[StoredArray],
) -> None:
    members = tree.members(group)
    is_known = all(names)
    holder = "/".join(map(str, names)) if is_known else ""
    numbered = {}
    for name, member in members.items():
        if not isinstance(member, h5py.Dataset):
            raise ValueError(f"{member.name[:80]!r} is a group; expected an array")
        if not (name.isascii() and name.isdecimal() and len(name) < 7) or str(int(name)) != name:
            # Layers with a `save_own_variables` of their own name what they save.
            raise ValueError(f"{member.name[:80]!r} has no number; a layer saves it in its own way")
        numbered[int(name)] = member
    if sorted(numbered) != list(range(len(numbered))):
        raise ValueError(
            f"{group.name[:80]!r} lacks variables: it has the numbers {sorted(numbered)[:9]}"
        )
    found += [
        stored_array(numbered[number], holder=holder, number=number)
        for number in range(len(numbered))
    ]


def stored_weights_h5(path: Path) -> Stored:
    """Reads a `.weights.h5`.

    Raises:
        ValueError: it is none.
    """
    with opened(path):  # so that damage is told in one way
        weights, slots = read_weights_h5(path)
    return Stored(".weights.h5", weights, slots)
