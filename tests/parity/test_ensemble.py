"""What is trained together differs in seed only, and nothing is lost or done twice."""

import pytest

from parity.ensemble import LARGEST, SIZES, checked, grouped, parse_ensemble, size_of
from parity.errors import InputError
from parity.programs.run_spec import MODELS, RunSpec

SMALL, LARGE = RunSpec(model="underfit"), RunSpec(model="capacity")


def specs_of(spec, num):
    return [spec.replace(seed=seed) for seed in range(num)]


def group(specs, ensemble):
    return grouped(specs, lambda spec: spec, ensemble)


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("8", 8), ("64", 64), ("auto", "auto")])
def test_a_number_or_auto_is_taken(text, value):
    assert parse_ensemble(text) == checked(value) == value


@pytest.mark.parametrize("text", ["0", "-1", "65", "many", "", "2.5", "AUTO", "1e1"])
def test_anything_else_is_refused_in_one_line(text):
    with pytest.raises(InputError, match=r"^--ensemble .*: expected 1 to 64 runs, or auto") as told:
        parse_ensemble(text)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("value", [True, 0, LARGEST + 1, 2.0, None])
def test_a_value_of_another_kind_is_refused(value):
    with pytest.raises(InputError, match="--ensemble"):
        checked(value)


@pytest.mark.parametrize("num", [1, 2, 7, 8, 9, 17])
@pytest.mark.parametrize("ensemble", [1, 2, 8, 64, "auto"])
def test_every_run_is_in_one_group_whose_runs_differ_in_seed_only(num, ensemble):
    kinds = [SMALL, LARGE, SMALL.replace(epochs=3), SMALL.replace(mode="independent")]
    specs = [spec for kind in kinds for spec in specs_of(kind, num)][::-1]
    groups = group(specs, ensemble)
    assert sorted(map(repr, specs)) == sorted(repr(spec) for part in groups for spec in part)
    for part in groups:
        assert len({spec.replace(seed=0) for spec in part}) == 1
        assert 1 <= len(part) <= size_of(part[0], ensemble)


def test_groups_are_of_about_one_size():
    """Ten runs, eight at a time: five and five end sooner than eight and two."""
    assert [len(part) for part in group(specs_of(SMALL, 10), 8)] == [5, 5]
    assert [len(part) for part in group(specs_of(SMALL, 17), 8)] == [6, 6, 5]


def test_what_is_trained_alone_keeps_its_order():
    specs = [*specs_of(LARGE, 3), *specs_of(SMALL, 2), LARGE.replace(seed=9)]
    assert group(specs, 1) == [[spec] for spec in specs]
    assert group(specs, "auto") == [*([spec] for spec in specs[:3]), specs[3:5], [specs[5]]]


def test_auto_knows_models_only_that_are_there():
    assert set(SIZES) <= set(MODELS)
    assert all(1 < size <= LARGEST for size in SIZES.values())
    assert size_of(SMALL, "auto") == SIZES["underfit"]
    assert size_of(LARGE, "auto") == 1
