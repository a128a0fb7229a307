"""Bundles of a project, by the names of their factories."""

import pytest

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle_folder import bundle_name, find_bundle


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"keras": "shop.models:build"}, "shop.models.build-seed0-steps6"),
        ({"keras": "models:Nets.small", "seed": 7}, "models.Nets.small-seed7-steps6"),
        ({"keras": "models.py:build", "steps": 2}, "tests.models.build-seed0-steps2"),
        ({"keras": "a/my nets.py:build"}, "tests.a.my_nets.build-seed0-steps6"),
        ({"keras": "/elsewhere/nets.py:build"}, "nets.build-seed0-steps6"),
        ({"keras": "k:f", "batch_size": 3}, "k.f-seed0-steps6-batch3"),
        ({"keras": "k:f", "data": "/x/digits.npz"}, "k.f-seed0-steps6-digits"),
    ],
    ids=["module", "in_a_class", "file", "below", "outside", "batch_size", "data"],
)
def test_a_bundle_is_named_by_all_that_its_numbers_follow_from(settings, name, tmp_path):
    spec = CheckSpec(folder=str(tmp_path / "tests"), **settings)
    assert bundle_name(spec, tmp_path) == f"{name}.parity"


def test_a_bundle_is_found_by_its_name(tmp_path):
    (tmp_path / "a.parity").touch()
    assert find_bundle(tmp_path, "a.parity") == tmp_path / "a.parity"
    with pytest.raises(InputError, match=rf"b\.parity: there is no .*--parity-record {tmp_path}"):
        find_bundle(tmp_path, "b.parity")
