"""How train.py in plain torch reads a file of data, and the weights of the Keras model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parity.ports.program import Program
from parity.ports.reading_text import Arrays, is_turned, reading, taken_of
from parity.ports.wrapping import wrapped


def load_weights(class_name: str) -> list[str]:
    """Returns the function that loads the weights of the Keras model."""
    return [
        *wrapped(f"def load_weights(model: {class_name}) -> {class_name}:"),
        '    """Gives a network the weights that the Keras model had."""',
        "    model.load_state_dict(load_file(WEIGHTS))",
        "    return model",
    ]


def reading_of(
    program: Program, facts: Mapping[str, Any], arrays: Arrays, losses: Any, *, by_name: bool
) -> list[list[str]]:
    """Returns the functions that take arrays of a file, make tensors of them, and turn images.

    Args:
        program: the model.
        facts: of the trace of the Keras half.
        arrays: in the file.
        losses: the plan of the loss, or those of each output.
        by_name: whether the only output has its targets in a dictionary, too.
    """
    inputs, sections = program.inputs, []
    if len(inputs) == 1:
        (value,) = inputs.values()
        shape = ", ".join(["N", *("?" if s is None else str(s) for s in value.shape[1:])])
        told = f"({shape}) with the channels second" if is_turned(value) else f"({shape})"
        turned = ".movedim(-1, 1)" if is_turned(value) else ""
        sections.append(
            [
                "def feed(x: np.ndarray) -> torch.Tensor:",
                f'    """Returns what the network takes: {told}."""',
                f"    return torch.as_tensor(x){turned}",
            ]
        )

    def taken(name: str, text: str) -> str:
        if len(inputs) == 1:
            return f"feed(tensor({text}))"
        return f"tensor({text}){'.movedim(-1, 1)' if is_turned(inputs[name]) else ''}"

    texts = taken_of(program, facts, arrays, losses)
    read = reading(arrays, texts, taken, "tensor({})", by_name=by_name)
    has_nest = bool(arrays.weights) and arrays.takes_weights
    nest = [
        "    if isinstance(array, dict):",
        "        return {name: tensor(each) for name, each in array.items()}",
    ]
    none = ["    if array is None:", "        return None"]
    tensor = [
        "def tensor(array: Any) -> Any:",
        '    """Returns a tensor, of real numbers in the dtype of the network."""',
        *(nest if has_nest else []),
        *(none if arrays.takes_weights else []),
        '    dtype = torch.get_default_dtype() if array.dtype.kind == "f" else None',
        "    return torch.as_tensor(array, dtype=dtype)",
    ]
    return [*sections, read, tensor]
