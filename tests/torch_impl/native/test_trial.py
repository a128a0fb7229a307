"""A loop that is slower than torch's operations on this processor is not used."""

import json
import re
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch_impl_loops import needs_compiler

from torch_impl import native, philox
from torch_impl.native import origins, store
from torch_impl.native.store import ROUNDS, Times

SLOW, QUICK = Times(0.3, 0.1), Times(0.1, 0.3)


@pytest.fixture(autouse=True)
def new_machine(tmp_path, monkeypatch):
    """A machine on which nothing was compiled or tried."""
    needs_compiler()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(native.SWITCH, raising=False)
    begin_anew()
    yield tmp_path / "keras-torch-parity" / "native"
    begin_anew()


def begin_anew():
    """As another process of the machine."""
    native.loops.cache_clear()
    native._chosen.clear()


@pytest.fixture
def show(monkeypatch):
    """Makes trials show some times; returns how many were made."""

    def showing(times):
        made = []
        monkeypatch.setattr(store, "_timed", lambda *both: made.append(both) or times)
        return made

    return showing


def is_chosen():
    return native.fast(philox.SOURCE, philox.typical) is not None


@pytest.mark.parametrize("times", [SLOW, QUICK], ids=["slow", "quick"])
def test_a_loop_is_tried_once_on_a_machine(show, times, new_machine):
    made = show(times)
    found = [is_chosen(), is_chosen()]
    begin_anew()
    assert ([*found, is_chosen()], len(made)) == ([not times.is_lost] * 3, 1)
    (file,) = new_machine.glob("philox-*.json")
    assert Times(**json.loads(file.read_text())) == times


@pytest.mark.parametrize("switch", [None, "1", "here"])
def test_who_asks_for_loops_gets_them_and_who_can_keep_nothing(show, switch, monkeypatch):
    """Else two trainings could take two ways, which round differently."""
    made = show(SLOW)
    if switch is None:
        monkeypatch.setattr(store, "cache_folder", lambda: open("/nowhere/at/all"))  # noqa: SIM115
    else:
        monkeypatch.setenv(native.SWITCH, switch)
    assert (is_chosen(), made) == (True, [])


@pytest.mark.parametrize(
    ("loop", "torchs", "found", "rounds"),
    [
        ([1.0], [3.0], (1.0, 3.0), 1),
        ([1.09], [1.0], (1.09, 1.0), 1),  # noise
        ([2.0, 1.0], [1.0, 1.5], (1.0, 1.0), 2),  # something else was in the way at first
        ([1.2] * ROUNDS, [1.0] * ROUNDS, (1.2, 1.0), ROUNDS),
    ],
)
def test_a_loop_has_to_be_fast_once(loop, torchs, found, rounds, monkeypatch):
    """Each way runs once to get warm; time goes by only in work."""
    spent = []
    monkeypatch.setattr(store.time, "perf_counter", lambda: sum(spent))
    first, second = (iter((9.0, *seconds)) for seconds in (loop, torchs))
    times = store._timed(lambda: spent.append(next(first)), lambda: spent.append(next(second)))
    assert ((times.loop_s, times.torch_s), len(spent)) == (pytest.approx(found), 2 * (rounds + 1))


def test_both_ways_give_the_same_numbers_and_leave_torchs_generator(show, new_machine):
    before, kept = torch.get_rng_state(), []
    for times in (SLOW, QUICK):
        show(times)
        kept.append(philox.stateless_keep((5, 7), 0.25, seed=(1, 2)))
        assert torch.equal(torch.get_rng_state(), before)
        assert is_chosen() == (times is QUICK)
        native._chosen.clear()
        for file in new_machine.glob("philox-*.json"):
            file.unlink()
    assert torch.equal(*kept)


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '{"loop_s": 1}', '{"loop_s": 0, "torch_s": 1}']
)
def test_what_is_damaged_is_measured_anew(show, content, new_machine):
    show(SLOW)
    is_chosen()
    (file,) = new_machine.glob("philox-*.json")
    file.write_text(content)
    begin_anew()
    made = show(QUICK)
    assert (is_chosen(), len(made), Times(**json.loads(file.read_text()))) == (True, 1, QUICK)


@pytest.mark.parametrize("source", origins.FILES, ids=lambda source: source.stem)
def test_the_typical_work_of_each_file_takes_what_it_is_told(source, monkeypatch):
    fast = mock.Mock(wraps=native.fast)
    monkeypatch.setattr(native, "fast", fast)
    monkeypatch.setattr(store, "_timed", lambda *both: [work() for work in both] and QUICK)
    native.times_of(source, origins.FILES[source])
    assert [call.args[0] for call in fast.mock_calls].count(source) >= 2


def test_all_files_are_tried_and_a_slow_one_is_told(show):
    show(SLOW)
    found = origins.origins()
    folder = Path(native.__file__).parents[1]
    assert sorted(found) == sorted(path.stem for path in folder.rglob("*.c"))
    assert len(found) == len(origins.FILES)
    told = (
        r"compiled here \(.*; not used: 300 ms in the place of torch's 100 on .*-m(arch|cpu)=native"
    )
    assert [text for text in found.values() if not re.match(told, text)] == []
