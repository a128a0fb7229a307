"""Bundles of a project, by the names of their factories."""

import os

import check_pairs
import pytest

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle_spec import bundle_name, find_bundle


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"keras": "shop.models:build"}, "shop.models.build-seed0"),
        ({"keras": "models:Nets.small", "seed": 7}, "models.Nets.small-seed7"),
        ({"keras": "models.py:build", "steps": 2}, "tests.models.build-seed0-steps2"),
        ({"keras": "a/my nets.py:build"}, "tests.a.my_nets.build-seed0"),
        ({"keras": "/elsewhere/nets.py:build"}, "nets.build-seed0"),
        ({"keras": "k:f", "batch_size": 3}, "k.f-seed0-batch3"),
        ({"keras": "k:f", "dtype": "float32"}, "k.f-seed0-float32"),
        ({"keras": "k:f", "data": "/x/digits.npz"}, "k.f-seed0-digits"),
    ],
    ids=["module", "in_a_class", "file", "below", "outside", "batch_size", "dtype", "data"],
)
def test_a_bundle_is_named_by_all_that_its_numbers_follow_from(settings, name, tmp_path):
    spec = CheckSpec(folder=str(tmp_path / "tests"), **settings)
    assert bundle_name(spec, tmp_path) == f"{name}.parity"


@pytest.fixture
def bundles(tmp_path):
    """Writes bundles: `bundles("any/name.parity", keras="k:f")`."""

    def write(name, **spec):
        recorded = check_pairs.recorded()
        recorded.spec |= {"steps": check_pairs.STEPS, "batch_size": 4, "seed": 0, **spec}
        return recorded.pack(tmp_path / name)

    return write


def wanted(tmp_path, **settings):
    values = {"steps": check_pairs.STEPS, "folder": str(tmp_path / "tests"), **settings}
    return CheckSpec(**values)


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("shop.models:build", "shop.models:build"),
        ("models.py:build", "models.py:build"),
        ("tests/models.py:build", "models.py:build"),
        ("../tests/models.py:build", "models.py:build"),
        ("{root}/tests/models.py:build", "models.py:build"),
        ("tests.models:build", "models.py:build"),
        ("models:Nets.build", "shop.models:Nets.build"),
        ("/elsewhere/models.py:build", "models.py:build"),
    ],
    ids=[
        "module",
        "file",
        "from_above",
        "from_beside",
        "absolute",
        "as_module",
        "inner",
        "outside",
    ],
)
def test_a_bundle_of_any_name_is_found_by_the_factory_it_was_recorded_from(
    recorded, asked, bundles, tmp_path
):
    bundles("other.parity", keras="shop.models:other")
    path = bundles("deep/er/my model.parity", keras=recorded.format(root=tmp_path))
    (tmp_path / "deep" / "broken.parity").write_text("no bundle")
    spec = wanted(tmp_path, keras=asked)
    assert find_bundle(tmp_path, spec, tmp_path) == path
    assert find_bundle(path, spec, tmp_path) == path


NONE = r"there is no bundle of .*--parity-record"
# What a bundle was recorded from, what is asked for, and why the bundle is not taken.
OTHERS = [
    ({"keras": "tests.models:build"}, "shop.models:build_all", NONE),
    ({"keras": "tests.models:build"}, "shop.nets:build", NONE),
    ({"keras": "tests.models:build"}, "models.py:other", NONE),
    ({"keras": "tests.models:build"}, "other/models.py:build", NONE),
    ({"keras": "k:f", "seed": 3}, "k:f", "a.parity is of this factory, but with seed 3"),
    ({"keras": "k:f", "batch_size": 6}, "k:f", "is of this factory, but with batch_size 6"),
    ({"keras": "k:f", "data": "/x/digits.npz"}, "k:f", "factory, but with data digits.npz"),
]


@pytest.mark.parametrize(("recorded", "asked", "told"), OTHERS)
def test_a_bundle_of_another_factory_or_settings_is_told_and_not_taken(
    recorded, asked, told, bundles, tmp_path
):
    path = bundles("a.parity", **recorded)
    for place in (path, tmp_path):
        with pytest.raises(InputError, match=told):
            find_bundle(place, wanted(tmp_path, keras=asked), tmp_path)


def test_of_several_bundles_the_one_whose_name_says_more_of_the_factory_is_taken(bundles, tmp_path):
    spec = wanted(tmp_path, keras="models.py:build")
    for name in ("a.parity", "b.parity"):
        bundles(name, keras="models.py:build")
    with pytest.raises(InputError, match=r"several bundles are of .* .*a\.parity, .*b\.parity"):
        find_bundle(tmp_path, spec, tmp_path)
    path = bundles("c.parity", keras="tests/models.py:build")
    assert find_bundle(tmp_path, spec, tmp_path) == path
    path = bundles(bundle_name(spec, tmp_path), keras="models.py:build")
    assert find_bundle(tmp_path, spec, tmp_path) == path


def test_a_file_that_is_no_bundle_is_told(tmp_path):
    (tmp_path / "a.parity").write_text("no bundle")
    with pytest.raises(InputError, match=r"no bundle of k:f with seed 0.*it is no zip archive"):
        find_bundle(tmp_path, wanted(tmp_path, keras="k:f"), tmp_path)


def test_a_bundle_that_was_recorded_anew_is_read_anew(bundles, tmp_path):
    path = bundles("a.parity", keras="k:f", seed=1)
    spec = wanted(tmp_path, keras="k:f")
    with pytest.raises(InputError, match="with seed 1"):
        find_bundle(path, spec, tmp_path)
    bundles("a.parity", keras="k:f")
    os.utime(path, ns=(1, 1))
    assert find_bundle(path, spec, tmp_path) == path
