"""The stub of a `train_step` of the user's own, which a port gives its training."""

from __future__ import annotations

from dataclasses import dataclass

from parity.ports.own.facts import Facts
from parity.ports.own.stub_text import PLACE, place_of, quoted, raised
from parity.ports.wrapping import commented, docstring, head


@dataclass(frozen=True)
class OwnStep:
    """A stub in train.py.

    Attributes:
        source: of the function; "": the program trains as Keras does.
        given: the argument of `Port` for it.
    """

    source: str = ""
    given: str = ""


def own_step(fit: Facts, class_name: str, data: str, *, has_optimizer: bool) -> OwnStep:
    """Returns the stub of a step.

    Args:
        fit: what the Keras half tells of `fit`, with "step".
        class_name: of the network.
        data: what a step gets, in words.
        has_optimizer: whether `build` makes one.
    """
    told = fit.get("step")
    if not told:
        return OwnStep()
    place = place_of(told["source"])
    given = ", optimizer: torch.optim.Optimizer" if has_optimizer else ""
    lines = head(f"def train_step(model: {class_name}{given}, data: Any) -> dict[str, Any]:")
    lines += docstring(f"Keras's {told['class']}.train_step{place}; it is to be written.", "    ")
    whose = "the optimizer" if has_optimizer else "optimizers, which build() has to make"
    lines += commented(
        f"{PLACE}: one step of training, with that of {whose}. It returns the numbers that Keras's "
        f"returns, by the same names. data is {data}, of a batch.",
        "    ",
    )
    lines += [line.removeprefix("    ") for line in quoted(told["source"], told["values"])]
    text = f"train_step is to be written: what {told['class']}.train_step does{place}"
    lines += [line.removeprefix("    ") for line in raised(text)]
    held = "model, optimizer" if has_optimizer else "model"
    return OwnStep("\n".join(lines), f"lambda data: train_step({held}, data)")


def about_step(fit: Facts, *, is_plain: bool) -> list[str]:
    """Returns sentences for those who read train.py of such a program, or README.md."""
    told = fit.get("step")
    if not told:
        return []
    place = place_of(told["source"])
    ported = "Of its training, what compile got is ported."
    if is_plain:
        return [f"The program makes its steps by {told['class']}.train_step{place}. {ported}"]
    return [
        f"The program makes its steps by {told['class']}.train_step{place}: here that is "
        f"train_step. {ported} The numbers of an epoch are means over its steps."
    ]
