"""fit_many: trains runs that differ in seed only, all at a time, each as `fit` trains it alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

import torch

from parity.data import Data
from parity.errors import InputError
from parity.programs.run_spec import RunSpec
from parity.recorder import Observer
from parity.trace import RunResult
from torch_impl.data import Batches, evaluation_data
from torch_impl.ensemble.batch import StackedBatch, stacked
from torch_impl.ensemble.loss import StackedLoss, StackedMetrics
from torch_impl.ensemble.network import StackedNetwork
from torch_impl.ensemble.optimizer import StackedAdam
from torch_impl.ensemble.run import Run

Scores = list[tuple[float, float]]  # (loss, accuracy) of each run


def fit_many(
    specs: Sequence[RunSpec],
    datas: Sequence[Data],
    recorders: Sequence[Observer | None] | None = None,
) -> list[RunResult]:
    """Trains runs that differ in seed only, in one pass over the epochs.

    Every random number, callback and metric of a run is its own, and its history and weights are
    those of `fit` but for rounding, since sums are made in another order. A run that EarlyStopping
    ends is taken out; the others go on.

    Args:
        specs: the runs, at least one, equal but for their seeds.
        datas: the arrays of each, of one shape.
        recorders: what is told of each run, as `fit` tells it; None where nobody listens.

    Returns:
        The result of each run. `wall_s` is its share: the seconds of each epoch are divided by the
        number of runs that were trained in it, so that those of all runs add up to the whole.

    Raises:
        InputError: there is no run, or runs that do not belong together.
        ValueError: a layer or a loss that cannot be stacked.
    """
    recorders = [None] * len(specs) if recorders is None else recorders
    _check(specs, datas, recorders)
    runs = [Run(*parts) for parts in zip(specs, datas, recorders, strict=True)]
    # What a watched run is evaluated on. All are: each has its place in the stack.
    is_watched = any(recorder is not None for recorder in recorders)
    known = {run: evaluation_data(run.spec, run.data) for run in runs} if is_watched else {}
    for run in runs:
        run.start()
    active, ensemble = runs, Ensemble(runs)
    for _ in range(specs[0].epochs):
        started = time.perf_counter()
        trained = ensemble.epoch(is_watched)
        validated = ensemble.evaluate([run.val_batches for run in active])
        evaluated = ensemble.later([known[run] for run in active]) if known else None
        over = []
        for number, run in enumerate(active):
            run.epochs.keep(trained[number], validated[number])
            if run.recorder is not None and evaluated is not None:
                run.recorder.on_epoch_end(partial(evaluated, number))
            if run.epochs.is_over():
                over.append(run)
        elapsed_s = time.perf_counter() - started
        for run in active:
            run.wall_s += elapsed_s / len(active)
        if over:
            active = [run for run in active if run not in over]
            if not active:
                break
            ensemble = Ensemble(active)
    return [run.result() for run in runs]


def _check(
    specs: Sequence[RunSpec], datas: Sequence[Data], recorders: Sequence[Observer | None]
) -> None:
    if not specs or not len(specs) == len(datas) == len(recorders):
        raise InputError(
            f"{len(specs)} specs, {len(datas)} data, {len(recorders)} recorders; expected one of "
            "each for every run, and at least one run"
        )
    for spec in specs[1:]:
        if spec.replace(seed=specs[0].seed) != specs[0]:
            raise InputError(
                f"{spec} beside {specs[0]}; expected runs that differ in seed only; train them "
                "one by one"
            )
    shapes = [tuple(len(part) for part in (data.x_train, data.x_val)) for data in datas]
    kinds = [(data.input_shape, data.num_classes) for data in datas]
    if len({*zip(shapes, kinds, strict=True)}) > 1:
        raise InputError(
            f"data of (training and validation images) {shapes}, (shape, classes) {kinds}; "
            "expected one shape; train the runs one by one"
        )


class Ensemble:
    """The trainings of some runs as one.

    Args:
        runs: that have made as many epochs each, none or more. Their weights and slots become parts
            of this ensemble's; another that held them must not be used any more.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = tuple(runs)
        trainings = [run.training for run in runs]
        self.network = StackedNetwork(
            [training.model for training in trainings], [run.stream for run in runs]
        )
        shared = dict(self.network.shared())
        self._criterion = StackedLoss(
            trainings[0].criterion, {name: part.whole for name, part in shared.items()}
        )
        self._optimizer = StackedAdam(
            [training.optimizer for training in trainings], list(shared.values())
        )

    def epoch(self, is_watched: bool = False) -> Scores:
        """Trains every run on every batch once; returns what Keras reports of the training.

        Args:
            is_watched: whether the runs are told the running mean of the loss after each step.
        """
        self.network.train()
        metrics = self._metrics()
        for batch in _stacked_batches([run.batches() for run in self._runs]):
            self._optimizer.zero_grad()
            logits = self.network(batch.x)
            losses = self._criterion(logits, batch)
            losses.sum().backward()  # the loss of one run has no gradient to the weights of another
            self._optimizer.step()
            metrics.update(losses.detach(), logits.detach(), batch)
            if is_watched:
                for run, loss in zip(self._runs, metrics.losses(), strict=True):
                    run.step(loss)
        return metrics.result()

    @torch.no_grad()
    def evaluate(self, batches: Sequence[Batches]) -> Scores:
        """Returns (loss, accuracy) of each run in eval mode, on batches of its own."""
        self.network.eval()
        metrics = self._metrics()
        for batch in _stacked_batches([iter(part) for part in batches]):
            logits = self.network(batch.x)
            metrics.update(self._criterion(logits, batch), logits, batch)
        return metrics.result()

    def later(self, batches: Sequence[Batches]) -> Callable[[int], tuple[float, float]]:
        """Returns a function that gives what `evaluate` says of one run, by its number.

        All runs are evaluated when it is first called, before they are trained further.
        """
        scores = cache(lambda: self.evaluate(batches))
        return lambda number: scores()[number]

    def _metrics(self) -> StackedMetrics:
        return StackedMetrics(len(self._runs), next(self.network.parameters()))


def _stacked_batches(parts: Sequence[Iterator]) -> Iterator[StackedBatch]:
    # Strict, so that each iterator comes to its end, where it may draw the next order.
    return (stacked(batches) for batches in zip(*parts, strict=True))
