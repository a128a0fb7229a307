"""An observer that keeps what `fit` tells it."""

from parity.traces.training_recorder import EpochObserver


class Watching(EpochObserver):
    """An EpochObserver that counts steps, and keeps after which of them an epoch ended."""

    def __init__(self):
        super().__init__(self._count)
        self.num_steps, self.ends = 0, []

    def _count(self):
        self.num_steps += 1

    def on_epoch_end(self, evaluate):
        super().on_epoch_end(evaluate)
        self.ends.append(self.num_steps)
