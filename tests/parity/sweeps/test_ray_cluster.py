"""The Ray engine: the same results as the local one, and none lost with a worker that dies."""

import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import stub_half
from paths import ROOT, SUPPORT
from processes import wait_for
from programs_here import FOLDER

from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.run_spec import RunSpec
from parity.sweeps import local, ray_cluster
from parity.sweeps.local import EngineOptions
from parity.sweeps.ray_cluster import Cluster, run_on_node
from parity.sweeps.store import open_store
from parity.sweeps.sweep import run_sweep
from parity.sweeps.task import half_fingerprint, tasks_of

pytestmark = pytest.mark.long

PYTHONS = dict.fromkeys(HALVES, sys.executable)
SPECS = [
    RunSpec(scenario="too_small", model="underfit", epochs=3, train_size=40, val_size=20, seed=seed)
    for seed in range(6)
]
PROGRAM = ProgramSpec(
    program="small", keras="keras_side.py:build", torch="torch_side.py:build", folder=str(FOLDER)
)
PROGRAMS = [PROGRAM.replace(seed=seed) for seed in range(4)]


@pytest.fixture(autouse=True)
def workers_find_the_stub(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))


# Not by importing it: Ray reads its settings then, and the engine makes them.
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one node with 2 CPUs, to which this process is connected, not the engine."""
    ray = ray_cluster._import_ray()
    from ray.cluster_utils import Cluster as Nodes

    settings = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 10**8}
    handler = signal.getsignal(signal.SIGTERM)
    nodes = Nodes(initialize_head=True, head_node_args=settings)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    yield nodes
    ray.shutdown()
    nodes.shutdown()
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def ray(cluster):
    return sys.modules["ray"]


@pytest.fixture
def options(tmp_path):
    def options(name="ray", workers=2, **stub):
        log = tmp_path / f"{name}.log"
        return EngineOptions(
            store=str(tmp_path / name),
            scratch=tmp_path / f"{name}-batches",
            children=ChildOptions(timeout_s=60, workers=workers),
            program=stub_half.program(log=log, **stub),
        )

    return options


def records(options):
    store = open_store(options.store)
    return {key: {**store.get(key), "run": None} for key in store.finished()}


def expected_records(specs=SPECS):
    return {
        task.key: {"key": task.key, **stub_half.record_of(task.half, task.spec), "run": None}
        for task in tasks_of(specs, PYTHONS)
    }


def events(log):
    """(event, key, process) of every run so far."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [tuple(line.split()[:3]) for line in lines]


def parent_of(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None
    return int(state[1]) if state[0] != "Z" else None


@needs_ray
def test_the_results_are_those_of_the_local_engine(ray, options):
    found = run_sweep(SPECS[:3], options("ray"), Cluster().run)
    assert found.is_complete
    assert found.num_run == 6
    expected = run_sweep(SPECS[:3], options("local"), local.run)
    assert found.rows == expected.rows
    assert records(options("ray")) == records(options("local"))
    again = run_sweep(SPECS[:3], options("ray"), Cluster().run)
    assert (again.rows, again.num_run) == (found.rows, 0)


@needs_ray
def test_programs_have_the_results_of_the_local_engine_and_are_told_on_their_node(ray, options):
    specs = [*PROGRAMS, *SPECS[:1]]
    found = run_sweep(specs, options("ray"), Cluster().run)
    assert (found.is_complete, found.num_run) == (True, 10), found.failures
    assert run_sweep(specs, options("local"), local.run).rows == found.rows
    assert records(options("ray")) == records(options("local"))
    assert run_sweep(specs, options("ray"), Cluster().run).num_run == 0


@needs_ray
def test_an_interrupted_sweep_of_programs_goes_on(ray, options):
    """As many as are in the store are not run again."""

    def stop(*_):
        raise KeyboardInterrupt

    tasks = tasks_of(PROGRAMS, PYTHONS)
    batches = [[task for task in tasks if task.half == half] for half in HALVES]
    slow = options(sleep_s=0.2)
    with pytest.raises(KeyboardInterrupt):
        Cluster().run(batches, slow, stop)
    before = len(open_store(slow.store).finished())
    assert before >= 4
    found = run_sweep(PROGRAMS, slow, Cluster().run)
    assert (found.is_complete, found.num_run) == (True, 8 - before)


@needs_ray
def test_a_node_without_the_files_of_a_program_refuses_it_in_one_line(ray, options, tmp_path):
    """The driver has planned them; on the node they have gone, or are others."""
    folder = tmp_path / "mine"
    shutil.copytree(FOLDER, folder)
    specs = [PROGRAM.replace(folder=str(folder))]
    tasks = tasks_of(specs, PYTHONS)

    def reasons():
        told = {}
        Cluster().run([tasks[:1], tasks[1:]], options(), lambda *c: told.update(c[2]))
        return told.values()

    with (folder / "keras_side.py").open("a") as file:
        file.write("CHANGED = True\n")
    changed = reasons()
    shutil.rmtree(folder)
    gone = reasons()
    for reason in (*changed, *gone):
        assert f"has not the files of small that the driver has in {folder} (" in reason
        assert "a file system that all nodes share" in reason
        assert "\n" not in reason
    assert len(changed) == len(gone) == 2
    assert not open_store(options().store).finished()


@needs_ray
def test_failures_cost_the_tasks_that_broke(ray, options):
    acts = {1: "raise", 2: "kill"}
    found = run_sweep(SPECS, options(acts=acts), Cluster().run)
    assert {(row["seed"], row["half"]) for row in found.failures} == {
        (seed, half) for seed in acts for half in HALVES
    }
    reason = found.failures[0]["reason"]
    assert reason.startswith("ArithmeticError: the stub was told to raise (stub_half.py:")
    assert found.failures[2]["reason"].startswith("was killed by SIGKILL")
    assert len(found.rows) == 8


@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
@pytest.mark.parametrize(
    ("number", "specs"),
    [(signal.SIGKILL, SPECS), (signal.SIGTERM, SPECS), (signal.SIGKILL, PROGRAMS)],
    ids=["killed", "terminated", "killed with programs"],
)
def test_a_worker_that_is_killed_costs_nothing(ray, options, tmp_path, number, specs, capfd):
    log, killed = tmp_path / "ray.log", []

    def in_a_second_run():
        """The child that is in the second run of its batch."""
        children = [child for event, _, child in events(log) if event == "start"]
        return next((int(child) for child in children if children.count(child) == 2), None)

    def kill():
        wait_for(in_a_second_run, 30)
        killed.append(in_a_second_run())
        os.kill(parent_of(killed[0]), number)

    thread = threading.Thread(target=kill)
    thread.start()
    # Batches of two tasks, each long enough to be ended on a busy machine.
    slow = options(workers=1, sleep_s=0.5)
    found = run_sweep(specs, slow, Cluster().run)
    thread.join()
    assert found.is_complete, found.failures
    assert len(found.rows) == 2 * len(specs)
    assert records(slow) == expected_records(specs)
    wait_for(lambda: parent_of(killed[0]) is None, 30)  # it has noticed by itself
    # The run that was ended is the only one that was started again.
    started = Counter(key for event, key, _ in events(log) if event == "start")
    again = {key for key, count in started.items() if count > 1}
    interrupted = [e[1] for e in events(log) if e[2] == str(killed[0]) and e[0] == "start"]
    assert again <= {interrupted[1]}
    assert capfd.readouterr() == ("", "")  # Ray would tell of the worker


@needs_ray
def test_a_node_that_dies_costs_nothing(ray, cluster, options, tmp_path):
    node, log = cluster.add_node(num_cpus=1, object_store_memory=10**8), tmp_path / "ray.log"

    def kill():
        # Three CPUs are at work, one of them that of the new node.
        wait_for(lambda: len({child for event, _, child in events(log) if event == "end"}) >= 3, 30)
        cluster.remove_node(node, allow_graceful=False)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        slow = options(workers=1, sleep_s=0.3)
        assert run_sweep(SPECS, slow, Cluster().run).is_complete
    finally:
        thread.join()
    assert records(slow) == expected_records()


@needs_ray
def test_an_exception_of_the_driver_cancels_what_runs(ray, options, tmp_path):
    def stop(number, num_done, reasons):
        raise KeyboardInterrupt

    tasks = tasks_of(SPECS[:4], PYTHONS)
    slow = options(sleep_s=2.0)  # nobody waits for more than two
    with pytest.raises(KeyboardInterrupt):
        Cluster().run([tasks[:1], tasks[2:]], slow, stop)
    children = {int(process) for _, _, process in events(tmp_path / "ray.log")}
    assert all(parent_of(child) is None for child in children)
    assert 1 <= len(open_store(slow.store).finished()) < 7  # of 7
    # The cluster lives on.
    assert run_sweep(SPECS[:2], options(), Cluster().run).is_complete


@needs_ray
def test_a_node_with_other_versions_runs_nothing(ray, options, monkeypatch, tmp_path):
    other = {"versions": {"torch": "0"}, "machine": "abacus"}
    monkeypatch.setattr(ray_cluster, "half_fingerprint", lambda half, python: other)
    found = run_sweep(SPECS[:1], options(), Cluster().run)
    assert len(found.failures) == 2
    assert "abacus" in found.failures[0]["reason"]
    assert "install the same there" in found.failures[0]["reason"]
    assert not (tmp_path / "ray.log").exists()


@needs_ray
@pytest.mark.parametrize("resources", [{"num_gpus": 64}, {"num_cpus": 3}])
def test_resources_that_no_node_has(ray, options, resources):
    with pytest.raises(InputError, match=r"no node has that many.* 2 and "):
        run_sweep(SPECS[:1], options(), Cluster(**resources).run)


def test_a_batch_on_its_node(options, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tasks = tuple(tasks_of(SPECS[:2], PYTHONS, ["torch"]))
    made = half_fingerprint("torch", sys.executable)
    failed = run_on_node(tasks, options(acts={1: "raise"}), made)
    assert failed.keys() == {tasks[1].key}
    assert failed[tasks[1].key].startswith("ArithmeticError: the stub was told to raise (")
    assert open_store(options().store).finished() == {tasks[0].key}
    assert not (tmp_path / "ray-batches").exists()  # that is the driver's
    assert list(tmp_path.glob("parity-sweep-*/batch-0.log"))  # the reason names it
    with pytest.raises(InputError, match=r"expected .*'code': 'x'"):
        run_on_node(tasks, options(), {**made, "code": "x"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [(signal.SIGTERM.name, SystemExit), (signal.SIGINT.name, KeyboardInterrupt)],
)
def test_a_worker_that_is_terminated_is_not_taken_for_a_cancelled_task(
    options, monkeypatch, name, expected
):
    def interrupted(batches, options, on_change):
        raise KeyboardInterrupt(name)

    monkeypatch.setattr(local, "run", interrupted)
    made = half_fingerprint("torch", sys.executable)
    with pytest.raises(expected):
        run_on_node(tuple(tasks_of(SPECS[:1], PYTHONS, ["torch"])), options(), made)


@pytest.mark.parametrize("resources", [(0.0, 0.0), (-1.0, 1.0), (1.0, -1.0)])
def test_resources_that_limit_nothing(resources):
    with pytest.raises(InputError, match=r"--cpus .* --gpus .*: expected"):
        Cluster(None, *resources)


def test_a_gpu_that_a_task_would_not_see(options):
    specs = [SPECS[0].replace(device="cuda:1")]
    with pytest.raises(InputError, match=r"--device cuda:1 with --gpus 0: .* set --gpus"):
        run_sweep(specs, options(), Cluster().run)


def test_without_ray(options, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'keras-torch-parity\[ray\]'"):
        run_sweep(SPECS[:1], options(), Cluster().run)


DRIVER = """
import json, sys
from pathlib import Path
import stub_half
from parity.sweeps.local import EngineOptions
from parity.sweeps.ray_cluster import Cluster
from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.programs.run_spec import RunSpec
from parity.sweeps.sweep import run_sweep

folder, address, specs, sleep_s = Path(sys.argv[1]), *json.loads(sys.argv[2])
options = EngineOptions(
    store=str(folder / "ray"),
    scratch=folder / "batches",
    children=ChildOptions(timeout_s=60, workers=2),
    program=stub_half.program(log=folder / "ray.log", sleep_s=sleep_s),
)
try:
    run_sweep([RunSpec.from_dict(spec) for spec in specs], options, Cluster(address).run)
except InputError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt as error:
    sys.exit(f"interrupted {error}")
"""


def start_driver(folder, address, *, sleep_s=0.0, specs=SPECS[:2], program=DRIVER):
    """A sweep in a process of its own, in another folder, that warns of nothing in silence."""
    settings = json.dumps([address, [spec.to_dict() for spec in specs], sleep_s])
    paths = os.pathsep.join((str(ROOT), str(SUPPORT)))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, folder, settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths},
    )


@needs_ray
def test_a_running_cluster_is_used_and_left_running(cluster, options, tmp_path):
    driver = start_driver(tmp_path, cluster.address)
    assert driver.communicate(timeout=60) == ("", "")
    assert driver.returncode == 0
    assert len(open_store(tmp_path / "ray").finished()) == 4
    assert run_sweep(SPECS[:3], options(), Cluster().run).num_run == 2


def unreachable():
    """An address on this machine at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("address", ["nonsense", "localhost:none", "localhost:", "PORT"])
def test_an_address_that_cannot_be_reached(address):
    """Ray is not asked: it would try for a quarter of an hour."""
    if address == "PORT":
        address = unreachable()
    with pytest.raises(InputError, match=f"^--ray-address {address}: cannot be reached \\("):
        ray_cluster._connect(None, address)


@needs_ray
def test_a_driver_tells_an_address_that_cannot_be_reached_in_one_line(tmp_path):
    address = unreachable()
    started_s = time.monotonic()
    driver = start_driver(tmp_path, address)
    out, error = driver.communicate(timeout=60)
    assert out == ""
    assert error.startswith(f"error: --ray-address {address}: cannot be reached (")
    assert error.count("\n") == 1
    assert time.monotonic() - started_s < 20


def listening():
    """The addresses on which something listens, by the inode of its socket."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":  # TCP_LISTEN
                raw = bytes.fromhex(words[1].partition(":")[0])
                # Words of 32 bits in the order of this machine's bytes.
                parts = [raw[k : k + 4][::-1] for k in range(0, len(raw), 4)]
                if sys.byteorder == "big":
                    parts = [raw[k : k + 4] for k in range(0, len(raw), 4)]
                found[words[9]] = ipaddress.ip_address(b"".join(parts))
    return found


def is_loopback(address):
    inner = getattr(address, "ipv4_mapped", None) or address
    return inner.is_loopback


def descendants(process):
    """A process and all that it has started, directly or not."""
    parents = {int(p.name): parent_of(p.name) for p in Path("/proc").glob("[0-9]*")}
    found, new = set(), {process}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found


def sockets_of(process):
    try:
        for file in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                target = os.readlink(file)
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]
    except OSError:
        return


def program_of(process):
    """The name of the file that a process runs; None where it has ended meanwhile."""
    with suppress(OSError):
        return Path(os.readlink(f"/proc/{process}/exe")).name


def opened_by(process):
    """(name of the process, address) of all sockets on which it and its descendants listen."""
    known, found = listening(), []
    for each in descendants(process):
        for inode in sockets_of(each):
            if inode in known:
                with suppress(OSError):
                    name = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")[0].decode()
                    found.append((name.rpartition("/")[2], known[inode]))
    return found


def test_sockets_are_told_from_each_other():
    """The null case and the fault of the test below."""
    with socket.socket() as here, socket.socket() as everywhere:
        for each, address in ((here, "127.0.0.1"), (everywhere, "0.0.0.0")):
            each.bind((address, 0))
            each.listen()
        addresses = {str(address) for _, address in opened_by(os.getpid())}
    assert {"127.0.0.1", "0.0.0.0"} <= addresses
    assert is_loopback(ipaddress.ip_address("::ffff:127.0.0.1"))
    assert not any(is_loopback(ipaddress.ip_address(each)) for each in ("::", "0.0.0.0"))


@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="finds processes and sockets in /proc")
def test_a_cluster_of_its_own_is_reached_from_here_alone_and_ends_with_its_driver(tmp_path):
    driver = start_driver(tmp_path, None, sleep_s=0.5, specs=SPECS)
    store = open_store(tmp_path / "ray")
    try:
        # Not the log, in which a run ends before its result is in the store.
        wait_for(lambda: len(store.finished()) >= 2, 60)  # workers are there, too
        found = opened_by(driver.pid)
        names = " ".join(name for name, _ in found)
        assert all(each in names for each in ("gcs_server", "raylet", "ray::", "python")), names
        assert [each for each in found if not is_loopback(each[1])] == []
        assert "dashboard" not in names.lower()
        # Ray's own programs, in which nothing has written over what they were started with.
        started = [
            Path(f"/proc/{each}/environ").read_bytes().split(b"\0")
            for each in descendants(driver.pid)
            if program_of(each) in ("gcs_server", "raylet")
        ]
        assert len(started) == 2
        for environment in started:
            assert b"RAY_USAGE_STATS_ENABLED=0" in environment
            assert any(each.startswith(b"RAY_AUTH_TOKEN=") for each in environment)
        (folder,) = {
            path.parents[3]
            for path in Path("/tmp").glob("parity-ray-*/ray/session_*/logs/r*")
            if str(driver.pid) in path.parents[1].name
        }
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        driver.send_signal(signal.SIGTERM)
        ended = driver.communicate(timeout=30)
    assert ended == ("", "interrupted SIGTERM\n")
    marks = (str(tmp_path).encode(), f"--parent-pid={driver.pid}".encode())

    def left():
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                text = path.read_bytes()
            except OSError:
                continue
            found += [text] if any(mark in text for mark in marks) else []
        return found

    wait_for(lambda: not left(), 30)
    assert 2 <= len(store.finished()) < 12
    wait_for(lambda: not folder.exists())


IMPORTED_BEFORE = "import ray\n" + DRIVER.replace("InputError", "ParityError")


@needs_ray
def test_a_cluster_that_others_could_reach_is_not_used(tmp_path):
    driver = start_driver(tmp_path, None, program=IMPORTED_BEFORE)
    out, error = driver.communicate(timeout=60)
    assert (out, driver.returncode) == ("", 1)
    assert error.startswith("error: Ray listens on ")
    assert "run the sweep in a process of its own" in error
    assert not (tmp_path / "ray.log").exists()
