"""A normalisation that gets several batches of Keras as one is named, and its place is."""

import norms_torch
import pytest
from port_files import checked_ports, ports_in

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

PORTS = ports_in(norms_torch)
JOINED = [name for name in PORTS if "__joined" in name]


@pytest.fixture(scope="module")
def checked():
    return checked_ports(norms_torch)


@pytest.mark.parametrize("name", ["frames", "towers"])
def test_a_port_that_keeps_the_batches_apart_passes(checked, name):
    result = checked[name]
    assert (result.verdict, result.divergences, result.errors) == ("pass", (), ())


@pytest.mark.parametrize("name", JOINED)
def test_one_batch_of_all_is_the_only_cause_and_stands_at_the_normalisation(checked, name):
    result = checked[name]
    (found,) = result.divergences
    assert found.item.name.endswith("moving_mean (after a batch in train mode)")
    assert [cause["id"] for cause in found.causes] == ["C17"]
    is_clip = name.startswith("frames")
    told = "3 batches of 4, the port one of 12" if is_clip else "2 batches of 4, the port one of 8"
    place = "time_distributed.net/batch_normalization" if is_clip else "batch_normalization"
    assert f"{place}: Keras normalises {told}" in found.causes[0]["detail"]
    assert "it keeps 0.99 of the old value" in found.causes[0]["detail"]


@pytest.mark.parametrize("name", ["frames__momentum", "frames__unbiased"])
def test_another_fault_of_such_a_normalisation_is_not_called_so(checked, name):
    result = checked[name]
    assert result.verdict == "fail"
    causes = {cause["id"] for found in result.divergences for cause in found.causes}
    assert "C17" not in causes
