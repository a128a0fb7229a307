"""How train.py in plain torch reads a file of data, and the weights of the Keras model."""

from __future__ import annotations

from torch_impl.source.program import Program
from torch_impl.source.reading_text import Arrays, is_turned, reading
from torch_impl.source.wrapping import wrapped


def load_weights(class_name: str) -> list[str]:
    """Returns the function that loads the weights of the Keras model."""
    return [
        *wrapped(f"def load_weights(model: {class_name}) -> {class_name}:"),
        '    """Gives a network the weights that the Keras model had."""',
        "    model.load_state_dict(load_file(WEIGHTS))",
        "    return model",
    ]


def reading_of(program: Program, arrays: Arrays, *, by_name: bool) -> list[list[str]]:
    """Returns the functions that read arrays of a file, and turn images."""
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
    elif any(map(is_turned, inputs.values())):
        sections.append(
            [
                "def images(x: np.ndarray) -> torch.Tensor:",
                '    """Returns what the network takes: the channels second."""',
                "    return torch.as_tensor(x).movedim(-1, 1)",
            ]
        )

    def taken(name: str, text: str) -> str:
        kind = "images" if is_turned(inputs[name]) else "torch.as_tensor"
        return f"{'feed' if len(inputs) == 1 else kind}(numbers({text}))"

    constants, *functions = reading(arrays, taken, "torch.as_tensor(numbers({}))", by_name=by_name)
    numbers = [
        "def numbers(array: np.ndarray) -> np.ndarray:",
        '    """Returns real numbers in the dtype of the network; whole ones stay."""',
        '    dtype = str(torch.get_default_dtype()).removeprefix("torch.")',
        '    return array.astype(dtype) if array.dtype.kind == "f" else array',
    ]
    return [constants, *sections, *functions, numbers]
