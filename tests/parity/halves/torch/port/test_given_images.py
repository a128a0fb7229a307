"""Weights in front of random layers of images have Keras's gradients, through the port's own."""

import pytest
from paths import SUPPORT
from rows import each_row

from parity.halves.job import ChildOptions
from parity.ladder.items import LEVEL_IDS
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions

pytestmark = pytest.mark.long

PORTS = ("turned", "turned__cut", "turned__half", "turned__straight")
LEVELS = [name for name in LEVEL_IDS if name != "init"]  # torch draws other weights


@pytest.fixture(scope="module")
def results(warm_halves):
    specs = [
        CheckSpec(
            keras="learned_keras.py:turned",
            torch=f"learned_torch.py:{port}",
            folder=str(SUPPORT),
            dtype=dtype,
            steps=2,
        )
        for port in PORTS
        for dtype in ("float64", "float32")
    ]
    found = check_all(specs, CheckOptions(children=ChildOptions(workers=1), levels=LEVELS))
    names = [(spec.torch.partition(":")[2], spec.dtype) for spec in specs]
    return dict(zip(names, found, strict=True))


@each_row("dtype", ["float64", "float32"])
def test_a_layer_of_torch_impl_passes_the_gradient_on(results, dtype):
    result = results["turned", dtype]
    assert (result.verdict, result.first_divergence) == ("pass", None)


@each_row("dtype", ["float64", "float32"])
@each_row("port", PORTS[1:])
def test_another_gradient_in_front_of_the_images_is_caught(results, port, dtype):
    result = results[port, dtype]
    assert result.verdict == "fail"
    level, item = result.first_divergence
    assert level.id == "gradient"
    assert "front" in item.name or "turn" in item.name or "rotation" in item.name
