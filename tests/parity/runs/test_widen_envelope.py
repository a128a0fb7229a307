"""Widening the envelope: it stops when a run explains, and gives up when there are enough.

The pair is real, its traces are made by hand: a perturbed run is `OFFSETS[number]` off at the end.
"""

import pytest
from traces import whole_parts

from parity.files.json_io import read_json
from parity.halves.job import Failure
from parity.ladder.items import FAIL, PASS, Item
from parity.programs.run_spec import RunSpec
from parity.runs import widen_envelope as module
from parity.runs.pair import LadderComparison, Pair, RunOptions
from parity.runs.widen_envelope import MAX_PERTURBATIONS, PERTURBATIONS_A_ROUND, widen_envelope

KEY = "trajectory/{}/conv1.kernel"
NEAR = 1e-6  # of the perturbed runs at the end of every epoch, where nothing else is said


class Reference:
    """A pair in float32 with hand-made halves, and what its perturbed runs will be.

    Args:
        folder: for the run directory.
        torch: step to how far the torch half is off there.
        offsets: number of a perturbed run to how far it is off, by step.
        fails: numbers of perturbed runs whose job fails.
    """

    def __init__(self, folder, torch, offsets=None, fails=()):
        spec = RunSpec(**whole_parts(dtype="float32").spec)
        self.pair = Pair(spec, folder / "pair", RunOptions(out=folder))
        self.offsets, self.fails = offsets or {}, fails
        self.rounds, self.whole = [], []
        parts = whole_parts(dtype="float32")
        parts.write(self.pair.directory / "keras")
        for step, offset in torch.items():
            parts.arrays[KEY.format(step)][0, 0] += offset
        parts.write(self.pair.directory / "torch")
        first = self.pair.perturbed_run(1)
        self.pair.perturbed.append(first)
        self.run([self.pair.perturbed_job([first])])
        self.rounds.clear()
        self.whole.clear()

    def run(self, jobs):
        """Stands in for the children."""
        self.rounds.append([[path.name for path in job.directories] for job in jobs])
        failures = []
        for job in jobs:
            for path in job.directories:
                number, epochs = (
                    read_json(path / "spec.json")[k] for k in ("perturbation", "epochs")
                )
                if number in self.fails:
                    failures.append(Failure(job, f"perturbation {number} was killed"))
                    continue
                if epochs == self.pair.spec.epochs:
                    self.whole.append(number)
                parts = whole_parts(dtype="float32", epochs=epochs)
                for step in [step for step in (1, 2, 4, 5, 6) if step <= 2 * epochs]:
                    offset = self.offsets.get(number, {}).get(step, NEAR)
                    parts.arrays[KEY.format(step)][0, 0] += offset
                parts.spec = read_json(path / "spec.json")
                parts.write(path)
        return failures

    def widened(self, workers=2):
        return widen_envelope(self.pair, self.pair.compare(), self.run, workers=workers)

    def kept(self):
        return sorted(int(path.name.split("-")[1]) for path in self.pair.perturbed)


def trajectory(comparison):
    return next(level for level in comparison.levels if level.id == "trajectory")


def test_a_run_within_its_envelope_needs_no_search(tmp_path):
    reference = Reference(tmp_path, torch={4: NEAR})
    comparison = reference.widened()
    assert reference.rounds == []
    assert comparison.first_outlier is None
    assert trajectory(comparison).status == PASS


def test_a_perturbed_run_that_goes_as_far_ends_the_search_and_is_run_in_full(tmp_path):
    torch = {4: 1e-3, 5: 1e-3, 6: 1e-3}
    farther = dict.fromkeys((4, 5, 6), 2e-3)
    reference = Reference(tmp_path, torch, {7: dict.fromkeys((4, 5, 6), 1e-3), 9: farther})
    comparison = reference.widened()
    assert trajectory(comparison).status == PASS
    assert [level.status for level in comparison.levels] == [PASS] * 10
    assert comparison.first_outlier is None
    # One round as far as the second epoch, where the difference is; then run 9 as a whole.
    assert len(reference.rounds) == 2
    assert sum(len(job) for job in reference.rounds[0]) == PERTURBATIONS_A_ROUND
    assert reference.rounds[1] == [["perturbed-9"]]
    assert reference.whole == [9]
    assert reference.kept() == [1, 9]
    assert reference.pair.failures == []


def test_runs_of_a_round_are_short_and_dealt_to_all_workers(tmp_path):
    reference = Reference(tmp_path, {2: 1e-3}, {2: {2: 1e-3}})
    reference.widened(workers=3)
    dealt = reference.rounds[0]
    assert [len(job) for job in dealt] == [6, 5, 5]
    names = sorted(int(name.split("-")[1]) for job in dealt for name in job)
    assert names == list(range(2, 2 + PERTURBATIONS_A_ROUND))
    specs = [read_json(reference.pair.directory / f"perturbed-{n}" / "spec.json") for n in names]
    assert [spec["epochs"] for spec in specs] == [3, *[1] * 15]  # number 2 was then run in full


def test_more_workers_than_runs_are_not_kept_waiting(tmp_path):
    reference = Reference(tmp_path, {2: 1e-3}, {3: {2: 1e-3}})
    reference.widened(workers=99)
    assert [len(job) for job in reference.rounds[0]] == [1] * PERTURBATIONS_A_ROUND


def test_what_comes_later_is_searched_for_in_turn(tmp_path):
    # Run 5 explains the second epoch and not the third; run 20 explains both.
    torch = {4: 1e-3, 6: 1.0}
    offsets = {5: dict.fromkeys((4, 5, 6), 2e-3), 20: {4: 1e-4, 5: 1e-3, 6: 1.0}}
    reference = Reference(tmp_path, torch, offsets)
    comparison = reference.widened()
    assert trajectory(comparison).status == PASS
    assert reference.kept() == [1, 5, 20]
    assert reference.whole[0] == 5
    assert reference.rounds[1] == [["perturbed-5"]]


def test_a_perturbed_run_that_diverges_is_the_farthest(tmp_path):
    diverged = dict.fromkeys((4, 5, 6), float("nan"))
    offsets = {number: dict.fromkeys((4, 5, 6), 2e-3) for number in (3, 8)}
    reference = Reference(tmp_path, {4: 1e-3}, {**offsets, 5: diverged})
    comparison = reference.widened()
    assert reference.kept() == [1, 5]
    assert "rounding decides which run diverges" in trajectory(comparison).tolerance_source


def test_the_search_gives_up_after_so_many_runs_and_judges_by_all_of_them(tmp_path):
    reference = Reference(tmp_path, {4: 1e-3}, {30: {4: 3e-4, 5: 3e-4}})
    comparison = reference.widened()
    tried = [name for dealt in reference.rounds for job in dealt for name in job]
    assert sorted(int(name.split("-")[1]) for name in tried) == list(
        range(2, MAX_PERTURBATIONS + 1)
    )
    assert reference.whole == []
    assert reference.kept() == [1]
    level = trajectory(comparison)
    assert level.status == FAIL
    assert (level.first_failure.step, level.first_failure.name) == (4, "conv1.kernel")
    assert level.first_failure.allowed == pytest.approx(1.5 * 3e-4)
    assert f"{MAX_PERTURBATIONS} of them" in level.tolerance_source


def test_a_job_that_fails_ends_the_search(tmp_path):
    reference = Reference(tmp_path, {4: 1e-3}, fails=[6])
    reference.widened()
    assert [failure.reason for failure in reference.pair.failures] == ["perturbation 6 was killed"]
    assert len(reference.rounds) == 1


def test_a_job_that_fails_in_full_ends_the_search(tmp_path, monkeypatch):
    reference = Reference(tmp_path, {4: 1e-3}, {6: {4: 1e-3}})
    run = reference.run

    def fail_in_full(jobs):
        if len(reference.rounds) == 1:
            reference.fails = [6]
        return run(jobs)

    monkeypatch.setattr(reference, "run", fail_in_full)
    reference.widened()
    assert [failure.reason for failure in reference.pair.failures] == ["perturbation 6 was killed"]
    assert reference.rounds[1] == [["perturbed-6"]]
    assert reference.kept() == [1]


def test_another_shape_is_not_searched_for_in_rounding(tmp_path):
    reference = Reference(tmp_path, {})
    parts = whole_parts(dtype="float32")
    parts.arrays[KEY.format(2)] = parts.arrays[KEY.format(2)].reshape(4)
    parts.write(reference.pair.directory / "torch")
    comparison = reference.widened()
    assert comparison.first_outlier.note == "shape or dtype differs"
    assert reference.rounds == []


def test_a_difference_below_the_trajectory_is_not_searched_for(tmp_path):
    reference = Reference(tmp_path, {})
    parts = whole_parts(dtype="float32")
    parts.arrays["gradient/conv1.kernel"][0, 0] += 1
    parts.write(reference.pair.directory / "torch")
    comparison = reference.widened()
    assert reference.rounds == []
    assert comparison.first_outlier is None
    assert FAIL in [level.status for level in comparison.levels]


def test_an_outlier_that_names_no_epoch_is_searched_for_in_the_first(tmp_path, monkeypatch):
    """The first outlier of a comparison is an Item, whose epoch and step may be None."""
    reference = Reference(tmp_path, {})
    item = Item("item", 1.0, 0.0, "abs", 1)
    monkeypatch.setattr(LadderComparison, "first_outlier", item)
    monkeypatch.setattr(module, "MAX_PERTURBATIONS", 3)
    reference.widened()
    assert [[len(job) for job in dealt] for dealt in reference.rounds] == [[1, 1]]
    assert read_json(reference.pair.directory / "perturbed-2" / "spec.json")["epochs"] == 1
