"""What a result tells of its machine, and that nothing is assumed of what it does not tell."""

from bench_results import result, row
from rows import each_row

from parity.bench.result import facts, machine


def test_a_row_tells_before_the_result_and_the_result_before_the_spec():
    found = result(
        row("torch", 1.0, environment={"threads": 4, "gpu": "H100"}),
        spec={"threads": 1, "device": "cuda"},
        environment={"processor": "AMD", "cores": 2, "threads": 2},
    )
    hardware = {"processor": "AMD", "cores": 2, "threads": 4, "device": "cuda", "gpu": "H100"}
    assert machine(found, found.rows[0]) == hardware
    assert machine(found) == {**hardware, "threads": 2, "gpu": None}


@each_row("nothing", [{}, {"processor": "", "cores": None}], ids=["none", "empty"])
def test_what_is_not_told_is_none(nothing):
    found = result(row("torch", 1.0, environment=nothing), spec=nothing, environment=nothing)
    assert (set(machine(found, found.rows[0]).values()), facts(found)) == ({None}, {})


def test_facts_are_those_of_all_processes():
    found = result(
        row("keras", 1.0, environment={"python": "3.11", "versions": {"keras": "3.15.1"}}),
        row("torch", 1.0, environment={"threads": 4, "versions": {"torch": "2.13.0"}}),
        spec={"threads": 2},
        environment={"python": "3.12", "versions": {"numpy": "2.4.6", "scipy": None, "jax": "1"}},
    )
    assert facts(found) == {
        "threads": "2 or 4",
        "python": "3.12 or 3.11",
        "keras": "3.15.1",
        "torch": "2.13.0",
        "numpy": "2.4.6",
        "jax": "1",
    }
    assert list(facts(found))[-1] == "jax"  # those that matter come first


@each_row("versions", ["2.13.0", ["torch"], 3, None], ids=str)
def test_versions_that_are_no_mapping_are_left_out(versions):
    assert facts(result(environment={"versions": versions, "cores": 2}, spec={})) == {"cores": "2"}
