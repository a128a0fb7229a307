"""A port in the rounds of a benchmark, and trained once to be judged; without a parent."""

import shutil

import pytest
import torch
from bench_children import Rounds, collected
from programs_here import keras_half, result_of, spec_of

from parity.bench.server import NoMoreRounds, NotApplicable, ProgramBenchTask
from parity.files.json_io import read_json, write_json
from parity.halves.torch.program import bench
from parity.halves.torch.program.bench import bench_program
from parity.halves.torch.program.stepper import ReplayedStepper
from parity.ladder.engine import OF_TRAINING, compare_level
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

# Of torch's compiler itself.
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning:torch", "ignore:The .grad attribute of a Tensor:UserWarning"
    ),
    pytest.mark.usefixtures("user_program"),
]


def flow_spec(port="build", **changes):
    return spec_of("flow_keras.py:build", f"flow_torch.py:{port}", epochs=2, **changes)


def trained(tmp_path_factory, spec):
    """The folder of a run of the program, with what it was fed."""
    folder = tmp_path_factory.mktemp("run")
    assert result_of(spec, folder, keras_half(tmp_path_factory, spec)).verdict == "pass"
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory, spec_of(epochs=2))


@pytest.fixture(scope="module")
def run_of_a_flow(tmp_path_factory):
    return trained(tmp_path_factory, flow_spec())


@pytest.fixture
def bench_of(run, tmp_path):
    """Runs a task of a variant; returns the server, which has asked for so many rounds."""

    def call(
        variant="torch-eager", part="train", samples=70, port="build", rounds=2, run=run, flow=False
    ):
        spec = spec_of(torch=f"torch_side.py:{port}", epochs=2, batch_size=16)
        spec = flow_spec(port, batch_size=8) if flow else spec
        server = Rounds(rounds)
        task = ProgramBenchTask(part, variant, "fp32", spec, samples, str(run), is_flow=flow)
        tmp_path.joinpath("child").mkdir(exist_ok=True)
        with pytest.raises(NoMoreRounds):
            bench_program(task, RunFolder(tmp_path / "child"), server)
        return server

    return call


@pytest.mark.parametrize(
    ("part", "samples", "steps", "trained"),
    [("train", 70, 5, 70), ("train", 32, 2, 32), ("step", 70, 4, 64), ("step", 10, 1, 10)],
    ids=["an epoch", "a part of one", "steps", "one small step"],
)
def test_a_round_is_so_many_steps(bench_of, monkeypatch, part, samples, steps, trained):
    made = collected(monkeypatch, ReplayedStepper, "step")
    assert bench_of(part=part, samples=samples).samples == [trained, trained]
    assert len(made) == 2 * steps


def test_a_loop_of_the_ports_own_is_timed(bench_of, monkeypatch):
    made = collected(monkeypatch, ReplayedStepper, "step")
    server = bench_of(port="own_loop")
    assert (server.samples, made) == ([70, 70], [])
    assert server.environment["has_own_loop"] is True


def test_a_variant_that_does_not_apply_says_why_before_it_is_ready(run, tmp_path):
    task = ProgramBenchTask(
        "train", "torch-channels-last", "fp32", spec_of(batch_size=16), 70, str(run)
    )
    server = Rounds(1)
    with pytest.raises(NotApplicable, match="no two-dimensional convolutions"):
        bench_program(task, RunFolder(tmp_path), server)
    assert server.environment is None


@pytest.mark.parametrize(
    ("port", "samples", "steps"),
    [("build", 50, 7), ("build", 16, 2), ("fed", 50, 7), ("seeded", 50, 7)],
)
def test_a_round_of_a_flow_is_a_pass_over_images_that_are_augmented_anew(
    bench_of, run_of_a_flow, monkeypatch, port, samples, steps
):
    batches = collected(monkeypatch, ReplayedStepper, "prepared")
    server = bench_of(port=port, samples=samples, run=run_of_a_flow, flow=True)
    assert server.samples == [samples, samples]
    assert len(batches) == 2 * steps
    images = torch.cat([batch.x[0] for batch in batches])
    assert images.dtype == torch.float32
    assert len(images.flatten(1).unique(dim=0)) == 2 * samples


@pytest.mark.parametrize(("port", "status"), [("build", "pass"), ("rotated_back", "fail")])
def test_a_port_that_augments_otherwise_is_seen_in_the_images(
    bench_of, run_of_a_flow, tmp_path, port, status
):
    flow = {"run": run_of_a_flow, "flow": True, "samples": 50}
    bench_of("torch-fused", part="judged", port=port, rounds=1, **flow)
    found = statuses(run_of_a_flow, tmp_path)
    assert found["data"] == status
    assert status == "fail" or set(found.values()) == {"pass"}


def statuses(run, tmp_path):
    """The status of each level of the training that was written."""
    sides = (
        Trace(RunFolder(run).half("keras").training.path),
        Trace(RunFolder(tmp_path / "child").training.path),
    )
    return {name: compare_level(name, OF_TRAINING, *sides).status for name in OF_TRAINING}


@pytest.fixture
def run_without_spread(run, tmp_path):
    """Copies the run as one whose port was so near that it was not trained again."""

    def copied(**facts):
        shutil.copytree(run, tmp_path / "run")
        index = RunFolder(tmp_path / "run").half("torch").training.index
        found = read_json(index)
        found["facts"] |= facts
        spread = found["facts"].pop("spread")
        write_json(index, found)
        return tmp_path / "run", spread

    return copied


def test_no_more_than_rounding_is_allowed_where_the_probes_leave_nothing_open(
    bench_of, run_without_spread, tmp_path
):
    run, spread = run_without_spread(left_open=2.0**-52)
    bench_of("torch-fused", part="judged", rounds=1, run=run)
    found = Trace(RunFolder(tmp_path / "child").training.path).facts["spread"]
    assert set(found) == set(spread)
    assert max(found.values()) < 1e-3 * max(spread.values())
    assert statuses(run, tmp_path)["trajectory"] == "fail"


def test_a_variant_with_another_epsilon_is_seen(bench_of, run, tmp_path, monkeypatch):
    right = bench.fuse

    def wrong(optimizer):
        right(optimizer)
        optimizer.param_groups[0]["eps"] = 1e-5

    monkeypatch.setattr(bench, "fuse", wrong)
    bench_of("torch-fused", part="judged", rounds=1)
    assert statuses(run, tmp_path)["trajectory"] == "fail"
