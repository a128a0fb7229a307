"""CheckSpec: all that decides what `parity check` and `parity record` compute."""

from __future__ import annotations

from dataclasses import dataclass

from parity.programs.settings import AtLeast1, AtLeast2, Device, Seed, Settings, Text


@dataclass(frozen=True)
class CheckSpec(Settings):
    """How a pair of models is probed.

    Attributes:
        keras: factory of the reference, "module:function"; None where a bundle stands for it.
        torch: factory of the port; None where only a bundle is recorded.
        against: path of the bundle that the port is compared with.
        data: path of a .npz with the user's own samples; None = probe inputs only.
        seed: of weights, inputs, masks.
        steps: training steps of the trajectory, at least 1.
        batch_size: samples of a probe, at least 2; the last batches of the trajectory are smaller.
        device: of the torch half: cpu, cuda or cuda:N.
        threads: intra-op threads of each half.
        folder: in which the command was called; factories are looked for in it.
    """

    keras: Text | None = None
    torch: Text | None = None
    against: Text | None = None
    data: Text | None = None
    seed: Seed = 0
    steps: AtLeast1 = 6
    batch_size: AtLeast2 = 4
    device: Device = "cpu"
    threads: AtLeast1 = 1
    folder: Text = "."
