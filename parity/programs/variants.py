"""The variants that a benchmark compares: one program, written in several ways.

A variant says which half runs the program and how. All variants train the same model.
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
