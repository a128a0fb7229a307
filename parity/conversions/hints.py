"""What a refusal may come of: a sentence for each thing that can be seen in the module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from parity.conversions.coverage import listed
from parity.halves.torch.port.carried import Carried
from parity.halves.torch.port.carrying import held_tensors
from torch_impl.layouts import LAYOUTS


def joined_convolutions(
    module: nn.Module, unfilled: Sequence[str], unused: Mapping[str, Sequence[int]]
) -> Iterator[str]:
    """Yields a sentence if parameters have room for several convolutions of Keras side by side.

    Args:
        module: that has the parameters.
        unfilled: names of those that no weight fills.
        unused: weights of Keras without a place, with their shapes.
    """
    kernels = {
        name: (shape[-1], shape[-2], *shape[:-2])  # as torch has it
        for name, shape in unused.items()
        if len(shape) > 2
    }
    wide: list[str] = []
    among: dict[str, None] = {}
    for name in unfilled:
        shape = tuple(module.get_parameter(name).shape)
        parts = [key for key, kernel in kernels.items() if _is_several(shape, kernel)]
        if len(parts) > 1:
            wide.append(name)
            among |= dict.fromkeys(parts)
    if wide:
        has, each = ("has", "it") if len(wide) == 1 else ("have", "each")
        yield (
            f"{listed(wide, 3)} {has} room for several of {listed(list(among), 3)}: a convolution "
            f"in the place of several of Keras is not taken apart; write {each} as a module for "
            "each layer of Keras"
        )


def _is_several(shape: tuple[int, ...], kernel: tuple[int, ...]) -> bool:
    """Whether a parameter is as large as several kernels along its outputs, or its inputs."""
    if len(shape) != len(kernel) or shape[2:] != kernel[2:]:
        return False
    one, other = (
        (shape[axis], kernel[axis], shape[1 - axis] == kernel[1 - axis]) for axis in (0, 1)
    )
    return any(same and own > part and own % part == 0 for own, part, same in (one, other))


def empty_arrays(
    module: nn.Module, items: Sequence[Carried], output: Callable[[], torch.Tensor]
) -> Iterator[str]:
    """Yields a sentence if the output depends on buffers that are all zeros, as they were made.

    Args:
        module: as the factory makes it, but for the weights.
        items: the weights with a place.
        output: computes the output of the module.
    """
    held = {id(tensor) for item in items for tensor in held_tensors(item.variable)}
    frozen = [(n, p) for n, p in module.named_parameters() if not p.requires_grad]
    found = [
        name
        for name, tensor in [*module.named_buffers(), *frozen]
        if id(tensor) not in held
        and not _is_of_a_layer(module, name)
        and tensor.is_floating_point()
        and tensor.numel()
        and not tensor.any()
        and _matters(tensor, output)
    ]
    if found:
        is_one = len(found) == 1
        yield (
            f"the output depends on {listed(found)}, which {'is' if is_one else 'are'} all zeros, "
            f"as the factory makes {'it' if is_one else 'them'}: if the Keras program has an array "
            "there, the factory has to fill it, such as with the `load_weights` of a package of "
            "`parity port`"
        )


def _is_of_a_layer(root: nn.Module, name: str) -> bool:
    """Whether a tensor belongs to a layer, such as the mean of a normalisation without a place."""
    owner = type(root.get_submodule(name.rpartition(".")[0]))
    return owner.__module__.startswith("torch.nn.") or any(
        kind in LAYOUTS for kind in owner.__mro__
    )


@torch.no_grad()
def _matters(tensor: torch.Tensor, output: Callable[[], torch.Tensor]) -> bool:
    draw = torch.Generator().manual_seed(0)
    try:
        before = output()
        tensor.copy_(torch.rand(tensor.shape, generator=draw, dtype=torch.float64))
        after = output()
    except Exception:  # the code of a user, which the same error has stopped before
        return False
    finally:
        tensor.zero_()
    return not torch.equal(before, after)
