"""Optimizers are named by the changes of Keras's that the torch half has found."""

import check_pairs
import pytest
from check_evidence import evidence_of, names

CHANGES = [("F2", "torch's equations"), ("F1", "epsilon is 1e-08"), ("F16", "NonNeg gives Keras's")]
UNKNOWN = {"F13": "SGD in Keras, torch.optim.adam.Adam in the port"}


def moved(level, said):
    """A port whose weights differ at a level, and what its half says of the optimizer."""

    def change(parts):
        parts.facts["optimizer"] = {"class": "torch.optim.adam.Adam", "groups": [{}]}
        if said is not None:
            facts = [{"id": name, "text": text} for name, text in said]
            parts.facts["optimizer_changes"] = facts
        for name in check_pairs.SHAPES:
            parts.arrays[f"{level}/1/{'weights/' * (level == 'optimizer')}{name}"] += 0.5

    return change


@pytest.mark.parametrize(
    ("said", "causes"), [(CHANGES, dict(CHANGES)), ([], {}), (None, UNKNOWN)],
    ids=["found", "rates_alone", "not_explained"],
)  # fmt: skip
def test_each_change_that_was_found_is_a_cause(tmp_path, said, causes):
    evidence = evidence_of(tmp_path, port=moved("optimizer", said))
    assert evidence.level.id == "optimizer"
    assert names(evidence) == causes


def test_changes_of_the_optimizer_are_none_of_another_level(tmp_path):
    evidence = evidence_of(tmp_path, port=moved("trajectory", CHANGES))
    assert evidence.level.id == "trajectory"
    assert not names(evidence).keys() & dict(CHANGES).keys()


def test_a_constraint_that_keras_has_is_told_where_no_number_shows_it(tmp_path):
    def constrained(recorded):
        for node in recorded.facts["nodes"]:
            node["config"]["kernel_constraint"] = {"class_name": "Own", "config": {}}

    found = names(evidence_of(tmp_path, constrained, moved("optimizer", [])))
    assert found == {"F16": "Own of dense1.kernel in Keras"}
