"""An array that a layer is called on, as the counting that made it: positions of a sequence."""

from __future__ import annotations

import torch


def counted(array: torch.Tensor) -> str | None:
    """Returns the `torch.arange` that gives an array, with axes of one place around it.

    Args:
        array: of any dtype and shape.

    Returns:
        The expression, in which "{0}" is a tensor of the network; None: the array is no counting of
        whole numbers in equal steps, or has one number.
    """
    sides = [axis for axis, side in enumerate(array.shape) if side > 1]
    if array.is_floating_point() or array.dtype == torch.bool or len(sides) != 1:
        return None
    numbers = array.flatten().tolist()
    start, step = numbers[0], numbers[1] - numbers[0]
    if step == 0 or numbers != list(range(start, start + step * len(numbers), step)):
        return None
    ends = [str(numbers[-1] + step)]
    if start != 0 or step != 1:
        ends = [str(start), *ends]
    if step != 1:
        ends.append(str(step))
    text = f"torch.arange({', '.join(ends)}, device={{0}}.device)"
    places = [":" if axis == sides[0] else "None" for axis in range(array.ndim)]
    while places[-1] == ":" and len(places) > 1:
        places.pop()
    return text if places == [":"] else f"{text}[{', '.join(places)}]"
