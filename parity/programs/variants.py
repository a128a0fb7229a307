"""The variants that a benchmark compares: one program, written in several ways.

A variant says which half runs the program and how. All variants train the same model. Built-in
scenarios have `VARIANTS`, a program of the user's has `PROGRAM_VARIANTS`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """One way of training the same program.

    Attributes:
        name: name on the command line and in lists.
        half: "keras" or "torch"; a child of this half runs the variant.
        summary: one line.
        mode: "seeded" if it repeats Keras's run from the same seed, so that both can be compared
            level by level; "independent" if it draws its own random numbers.
    """

    name: str
    half: str
    summary: str
    mode: str


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("keras", "keras", "model.fit on arrays or on a flow, unchanged", "seeded"),
        Variant(
            "keras-tuned",
            "keras",
            "model.fit on a cached tf.data pipeline, many steps per execution, XLA on a GPU",
            "independent",
        ),
        Variant("keras-torch", "keras", "model.fit, Keras on its torch backend", "independent"),
        Variant(
            "torch-eager",
            "torch",
            "an ordinary training loop: DataLoader, torch's Adam, nn.Dropout",
            "independent",
        ),
        Variant(
            "torch", "torch", "torch_impl.fit: the same run as Keras's from the seed", "seeded"
        ),
        Variant(
            "torch-own",
            "torch",
            "torch_impl.fit in mode independent: torch's random numbers",
            "independent",
        ),
        Variant("torch-compiled", "torch", "torch_impl.fit with torch.compile", "seeded"),
    )
}

# What a port gains by a part of torch or of torch_impl; each changes one thing of "torch-eager".
PROGRAM_VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("keras", "keras", "model.fit of the program, as it stands", "seeded"),
        Variant(
            "torch-eager", "torch", "the port, in its own loop or in that of Trainer", "seeded"
        ),
        Variant("torch-fused", "torch", "the port with the fused form of its optimizer", "seeded"),
        Variant(
            "torch-channels-last",
            "torch",
            "the port with images and kernels in memory as Keras stores images",
            "seeded",
        ),
        Variant("torch-tuned", "torch", "torch-fused and torch-channels-last together", "seeded"),
        Variant("torch-compiled", "torch", "the port's module through torch.compile", "seeded"),
    )
}


def half_of(name: str) -> str:
    """Returns the half that runs a variant, of a scenario or of a program."""
    return (VARIANTS.get(name) or PROGRAM_VARIANTS[name]).half
