"""StackedAdam: the optimizers of R runs, in one step as long as their rates are the same."""

from __future__ import annotations

from collections.abc import Sequence

from torch_impl.ensemble.layers import Shared
from torch_impl.optim import Adam


class StackedAdam:
    """Makes the step of every run's own optimizer.

    Adam changes each entry by itself, so that one step of the whole parameters is the step of
    all runs, to the bit, where they have one rate. Where ReduceLROnPlateau has cut that of some
    runs, each optimizer makes its own step, on its own part of parameters, gradients and slots.

    Args:
        own: of each run, over its own parameters; they may have made steps, as many each.
        shared: their parameters.

    Raises:
        ValueError: an optimizer that clips, averages or accumulates.
    """

    def __init__(self, own: Sequence[Adam], shared: Sequence[Shared]) -> None:
        self.own, self._shared = tuple(own), tuple(shared)
        self._whole = Adam([parameters.whole for parameters in shared])
        if own[0].common != self._whole.common:
            raise ValueError(
                f"{own[0].common} cannot be stacked: expected no clipping, averages or accumulation"
            )
        self._has_slots = False
        if own[0].param_groups[0]["step"]:
            self._take_slots()

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        self._whole.zero_grad()

    def step(self) -> None:
        """One step of every run."""
        groups = [optimizer.param_groups[0] for optimizer in self.own]
        if len({group["lr"] for group in groups}) > 1:
            self._step_one_by_one()
            return
        (whole,) = self._whole.param_groups
        whole.update({key: value for key, value in groups[0].items() if key != "params"})
        self._whole.step()
        for group in groups:
            group["step"] = whole["step"]
        if not self._has_slots:
            self._give_slots()

    def _step_one_by_one(self) -> None:
        for number, optimizer in enumerate(self.own):
            for shared in self._shared:
                assert shared.whole.grad is not None
                shared.own[number].grad = shared.part(shared.whole.grad, number)
            optimizer.step()
            optimizer.zero_grad()

    def _take_slots(self) -> None:
        """Makes slots of those that the runs have, which may be parts of another whole."""
        for shared in self._shared:
            states = [o.state[p] for o, p in zip(self.own, shared.own, strict=True)]
            for key in states[0]:
                slot = shared.join([state[key] for state in states])
                self._whole.state[shared.whole][key] = slot
        self._give_slots()

    def _give_slots(self) -> None:
        """Makes the slots of every run parts of those of the whole."""
        for shared in self._shared:
            for key, slot in self._whole.state[shared.whole].items():
                for number, optimizer in enumerate(self.own):
                    optimizer.state[shared.own[number]][key] = shared.part(slot, number)
        self._has_slots = True
