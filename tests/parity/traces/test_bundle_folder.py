"""Bundles of a project, by the names of their factories."""

import pytest

from parity.programs.check_spec import CheckSpec
from parity.traces.bundle_spec import bundle_name


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
