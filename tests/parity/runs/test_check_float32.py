"""A port that has no float64 is checked as it stands, by what rounding does in float32."""

import pytest
from paths import SUPPORT

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.report.sentences import settings
from parity.runs.against import check_against
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions
from parity.runs.record import record_spec

pytestmark = pytest.mark.long

OWN = "check_factories.py:"
PAIRS = {
    "no_float64": ("keras_normed", "torch_single", "float64"),
    "as_it_stands": ("keras_normed", "torch_single", "float32"),
    "other_epsilon": ("keras_normed", "torch_single_other_epsilon", "float32"),
    "right": ("keras_net", "torch_net", "float32"),
    "other_activation": ("keras_net", "torch_tanh", "float32"),
}


def spec_of(keras, torch, dtype):
    keras, torch = OWN + keras, OWN + torch
    return CheckSpec(keras=keras, torch=torch, dtype=dtype, steps=3, folder=str(SUPPORT))


@pytest.fixture(scope="module")
def results():
    found = check_all([spec_of(*pair) for pair in PAIRS.values()], CheckOptions())
    return dict(zip(PAIRS, found, strict=True))


def test_without_the_option_it_is_told(results):
    (error,) = results["no_float64"].errors
    assert "TypeError: expected float32, got torch.float64, check_factories.py:" in error
    assert error.endswith("if it has no float64, check it as it stands: --dtype float32")


def differing(result):
    return [(found.level, found.causes[0]["id"]) for found in result.divergences]


def test_its_only_difference_is_a_true_one(results):
    """Torch's moving variance is unbiased: with samples as few as these, it differs by a third."""
    result = results["as_it_stands"]
    assert differing(result) == [("forward", "C3")]
    assert result.spec["dtype"] == "float32"
    assert "float32" in settings(result)
    gradient = next(level for level in result.levels if level.id == "gradient")
    assert gradient.status == "pass"
    assert gradient.tolerance_source.startswith("float32, relative to the largest value: ")


def test_mistakes_are_found_and_named_as_in_float64(results):
    found = {name: differing(results[name]) for name in ("other_epsilon", "other_activation")}
    assert found["other_epsilon"][0] == ("forward", "C1")
    detail = results["other_epsilon"].divergences[0].causes[0]["detail"]
    assert "epsilon 0.001 in Keras, 1e-05 in the port" in detail
    assert (results["right"].verdict, found["other_activation"]) == ("pass", [("forward", "A16")])


def test_a_bundle_has_its_dtype(tmp_path):
    bundle = tmp_path / "model.parity"
    given = spec_of("keras_net", "torch_net", "float32")
    record_spec(given.replace(torch=None), bundle, CheckOptions())
    asked = CheckSpec(torch=given.torch, folder=str(SUPPORT))
    (result,) = check_all([check_against(asked, bundle)], CheckOptions())
    assert (result.verdict, result.spec["dtype"]) == ("pass", "float32")
    with pytest.raises(InputError, match="with dtype float32, and dtype float64 is asked for"):
        check_against(asked, bundle, {"dtype"})
