"""BenchSpec: what it takes, what it refuses, and the run that it times."""

import json
import re

import pytest
from rows import each_row

from parity.cli.bench import bench
from parity.errors import InputError
from parity.programs.bench_spec import (
    PARTS,
    PRECISIONS,
    PROGRAM_PARTS,
    PROGRAM_PRECISIONS,
    PROGRAM_VARIANTS,
    VARIANTS,
    BenchSpec,
)
from parity.programs.program_spec import ProgramSpec
from parity.programs.scenarios import PROGRAMS, scenario

OWN = ProgramSpec(program="mine", keras="a:build", torch="b:build", folder="/home")
WRONG = {
    "no such scenario": ({"scenario": "no-such"}, "unknown scenario 'no-such'"),
    "no part": ({"parts": ()}, "parts=none: expected some of train, step, input"),
    "no such part": ({"parts": ("train", "test")}, "parts=train,test: expected some of"),
    "no variant": ({"variants": ()}, "variants=none: expected some of keras, keras-tuned"),
    "no such variant": ({"variants": ("keras", "jax")}, "variants=keras,jax: expected some of"),
    "no precision": ({"precisions": ()}, "precisions=none: expected some of fp32, tf32"),
    "no such precision": ({"precisions": ("fp8",)}, "precisions=fp8: expected some of"),
    "text for names": ({"parts": "train"}, "parts='train': expected a list, each a string"),
    "the same part twice": (
        {"parts": ("step", "step")},
        "parts=step,step: expected each value once",
    ),
    "the same size twice": (
        {"batch_sizes": (8, 16, 8)},
        "batch_sizes=8,16,8: expected each value once",
    ),
    "the same precision twice": (
        {"precisions": ("fp32", "fp32")},
        "precisions=fp32,fp32: expected each value once",
    ),
    "a baseline that is not measured": (
        {"variants": ("torch", "torch-own")},
        "baseline='keras': expected one of the measured variants, torch, torch-own",
    ),
    "no such baseline": ({"baseline": "jax"}, "baseline='jax': expected one of"),
    "too few rounds": ({"rounds": 0}, "rounds=0: expected an integer of at least 1"),
    "half a round": ({"rounds": 3.5}, "rounds=3.5: expected an integer of at least 1"),
    "no samples": ({"train_size": 0}, "train_size=0: expected an integer of at least 1"),
    "no validation": ({"val_size": 0}, "val_size=0: expected an integer of at least 1"),
    "fewer than no runs": ({"gate_seeds": -1}, "gate_seeds=-1: expected an integer of at least 0"),
    "one run": ({"gate_seeds": 1}, "gate_seeds=1: one run shows no spread"),
    "no batch size": ({"batch_sizes": ()}, "batch_sizes is empty"),
    "empty batches": ({"batch_sizes": (32, 0)}, "batch_size=0: expected an integer of at least 1"),
    "accuracy 0": ({"accuracy": 0.0}, "accuracy=0.0: expected a fraction in (0, 1]"),
    "accuracy in percent": ({"accuracy": 97.0}, "accuracy=97.0: expected a fraction in (0, 1]"),
    "no accuracy": ({"accuracy": float("nan")}, "accuracy=nan: expected a fraction in (0, 1]"),
    "no thread": ({"threads": 0}, "threads=0: expected an integer of at least 1"),
    "a device": ({"device": "tpu"}, "device='tpu': expected 'cpu', 'cuda' or 'cuda:N'"),
    "a seed": ({"seed": -1}, "seed=-1: expected an integer in [0, 2**32 - 1]"),
}


@each_row("settings, message", [*WRONG.values(), ({"round": 3}, "unknown setting 'round'")])
def test_what_is_out_of_range_is_named(settings, message):
    with pytest.raises(InputError, match=re.escape(message)):
        BenchSpec.from_dict(settings)


@each_row("name", PROGRAMS)
def test_the_run_is_the_scenario_without_what_would_change_it_on_the_way(name):
    """A rate that is cut, or an early end, would make one round other work than the next."""
    given = {"seed": 7, "train_size": 64, "val_size": 16, "device": "cuda:1", "threads": 3}
    given["data"] = "mnist"
    expected = scenario(name).replace(**given, batch_size=128, reduce_lr=None, early_stopping=None)
    assert BenchSpec(scenario=name, **given).run_spec(128) == expected


@each_row("spec", [BenchSpec(batch_sizes=(32, 64), accuracy=0.9), BenchSpec.of_program(OWN)])
def test_the_json_has_every_setting(spec):
    assert BenchSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_what_draws_keras_numbers_is_seeded_and_nothing_else():
    """The gate runs the ladder for these, and judges the others by their accuracy."""
    seeded = {name for name, variant in VARIANTS.items() if variant.mode == "seeded"}
    assert seeded == {"keras", "torch", "torch-compiled"}


def test_the_help_lists_what_the_spec_takes():
    helps = {option.name: getattr(option, "help", None) for option in bench.params}
    for name, known, own in (
        ("parts", PARTS, PROGRAM_PARTS),
        ("variants", VARIANTS, PROGRAM_VARIANTS),
        ("precisions", PRECISIONS, PROGRAM_PRECISIONS),
    ):
        assert f": {', '.join(known)}; your own program: {', '.join(own)}." in helps[name]


def test_the_defaults_of_the_command_are_those_of_the_spec():
    """What a program of the user's says itself is left open."""
    params, spec = bench.make_context("bench", []).params, BenchSpec().to_dict()
    known = {name: value for name, value in params.items() if name in spec}
    left_open = dict.fromkeys(("variants", "batch_sizes", "data", "seed", "accuracy"))
    assert {name: known[name] for name in left_open} == left_open
    assert BenchSpec(**{n: v for n, v in known.items() if n not in left_open}) == BenchSpec()


# --- programs of the user's ----------------------------------------------------------------------


def test_a_program_has_defaults_of_its_own():
    spec = BenchSpec.of_program(OWN)
    assert (spec.scenario, spec.data, spec.batch_sizes) == ("mine", "its own", ())
    assert spec.variants == ("keras", "torch-eager", "torch-fused", "torch-channels-last")
    assert set(spec.variants) < set(PROGRAM_VARIANTS)
    assert BenchSpec.of_program(OWN.replace(batch_size=8)).batch_sizes == (8,)


def test_a_result_tells_of_a_program_all_but_its_folder():
    spec = BenchSpec.of_program(OWN)
    told = dict(spec.to_dict()["program"])
    assert told.pop("folder") == "/home"
    assert spec.to_json()["program"] == told
    assert "program" not in BenchSpec().to_json()


def test_the_training_that_is_timed_has_the_settings_of_the_benchmark():
    spec = BenchSpec.of_program(OWN, threads=3, seed=7)
    assert spec.program_spec(16) == OWN.replace(threads=3, seed=7, batch_size=16)
    assert spec.program_spec().batch_size is None


@each_row(
    ("settings", "message"),
    [
        ({"parts": ("input",)}, "parts=input: expected some of train, step for a program"),
        ({"parts": ("startup",)}, "expected some of train, step for a program of your own"),
        ({"variants": ("keras", "torch")}, "variants=keras,torch: expected some of keras, torch-"),
        ({"variants": ("keras-tuned",)}, "for a program of your own"),
        ({"precisions": ("bf16",)}, "precisions=bf16: expected some of fp32 for a program"),
        ({"accuracy": 0.9}, "accuracy=0.9: expected nothing: a program of your own is timed"),
        ({"across_precision": True}, "across_precision=True: expected nothing"),
        ({"val_size": 100}, "val_size=100: expected nothing"),
        ({"gate_seeds": 6}, "gate_seeds=6: expected 0, or nothing"),
        ({"baseline": "torch"}, "baseline='torch': expected one of the measured variants"),
    ],
)
def test_what_only_scenarios_have_is_refused_in_one_line(settings, message):
    with pytest.raises(InputError, match=rf"\A.*{message}.*\Z"):
        BenchSpec.of_program(OWN, **settings)
