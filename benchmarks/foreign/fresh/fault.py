"""A mistake in a port."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A mistake in a port of a Keras model.

    Attributes:
        model: the Keras model of the same family.
        mistake: what the port does.
        wanted: what a reader wants to be told, written before the check was run.
        names: IDs of divergences that say it, as read in the report by a person.
    """

    model: str
    mistake: str
    wanted: str
    names: tuple[str, ...] = ()
