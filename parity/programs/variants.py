"""The variants that a benchmark compares: one program, as it is written in each framework.

A variant says which half runs it and how; what it trains is the same in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """One way of training the same program.

    Attributes:
        name: as it is asked for and listed.
        half: "keras" or "torch", whose child runs it.
        summary: one line.
        mode: "seeded" if it is the same run as Keras's from the same seed, so that the ladder can
            be climbed; "independent" if it draws its own random numbers.
    """

    name: str
    half: str
    summary: str
    mode: str


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("keras", "keras", "model.fit on arrays or on a flow, as it is written", "seeded"),
        Variant(
            "keras-tuned",
            "keras",
            "model.fit on a cached tf.data pipeline, many steps an execution, XLA on a GPU",
            "independent",
        ),
        Variant("keras-torch", "keras", "model.fit, Keras on its torch backend", "independent"),
        Variant(
            "torch-eager",
            "torch",
            "a loop as people write it: DataLoader, stock Adam, nn.Dropout",
            "independent",
        ),
        Variant("torch", "torch", "torch_impl.fit: Keras's own run from its seed", "seeded"),
        Variant(
            "torch-own",
            "torch",
            "torch_impl.fit in mode independent: torch's random numbers",
            "independent",
        ),
        Variant(
            "torch-compiled", "torch", "torch_impl.fit, its network through torch.compile", "seeded"
        ),
    )
}
