"""The Ray engine: the same results as the local one, and none lost with a worker that dies."""

import ipaddress
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import stub_half
from paths import ROOT, SUPPORT
from processes import wait_for
from stub_sweeps import PROGRAM, events, records, specs_of, started, stub_options

from parity.errors import InputError
from parity.programs.halves import HALVES
from parity.sweeps import local, ray_cluster
from parity.sweeps.ray_cluster import Cluster, run_on_node
from parity.sweeps.store import open_store
from parity.sweeps.sweep import run_sweep
from parity.sweeps.task import half_fingerprint, tasks_of

pytestmark = pytest.mark.long

PYTHONS = dict.fromkeys(HALVES, sys.executable)
SPECS, PROGRAMS = specs_of(*range(6)), specs_of(*range(4), spec=PROGRAM)


@pytest.fixture(autouse=True)
def workers_and_drivers_find_the_stub(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(SUPPORT))))


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
def options(tmp_path):
    return partial(stub_options, tmp_path)


@pytest.fixture
def sweep(options):
    """Runs a sweep of stubs on a cluster."""

    def sweep(specs, cluster=None, **stub):
        return run_sweep(specs, options(**stub), (cluster or Cluster()).run)

    return sweep


def expected_records(specs=SPECS):
    return {
        task.key: {"key": task.key, **stub_half.record_of(task.half, task.spec), "run": None}
        for task in tasks_of(specs, PYTHONS)
    }


def parent_of(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None
    return int(state[1]) if state[0] != "Z" else None


@needs_ray
@pytest.mark.parametrize(
    "specs", [SPECS[:3], [*PROGRAMS, *SPECS[:1]]], ids=["scenarios", "programs told on their node"]
)
def test_the_results_are_those_of_the_local_engine(cluster, sweep, options, tmp_path, specs):
    found = sweep(specs)
    assert (found.failures, found.num_run) == ([], 2 * len(specs))
    assert run_sweep(specs, options("local"), local.run).rows == found.rows
    assert records(tmp_path / "store") == records(tmp_path / "local")
    again = sweep(specs)
    assert (again.rows, again.num_run) == (found.rows, 0)


@needs_ray
def test_a_node_without_the_files_of_a_program_refuses_it_in_one_line(cluster, options, tmp_path):
    """The driver has planned them; on the node they have gone, or are others."""
    folder = tmp_path / "mine"
    shutil.copytree(PROGRAM.folder, folder)
    tasks = tasks_of([PROGRAM.replace(folder=str(folder))], PYTHONS)

    def reasons():
        told = {}
        Cluster().run([tasks[:1], tasks[1:]], options(), lambda *c: told.update(c[2]))
        assert len(told) == 2
        return told.values()

    with (folder / "keras_side.py").open("a") as file:
        file.write("CHANGED = True\n")
    changed = reasons()
    shutil.rmtree(folder)
    for reason in (*changed, *reasons()):
        told = rf"has not the files of small that the driver has in {folder} \("
        assert re.fullmatch(f".*{told}.*a file system that all nodes share.*", reason)
    assert not open_store(tmp_path / "store").finished()


@needs_ray
def test_failures_cost_the_tasks_that_broke(cluster, sweep):
    found = sweep(SPECS, acts={1: "raise", 2: "kill"})
    assert {(row["seed"], row["half"]) for row in found.failures} == {
        (seed, half) for seed in (1, 2) for half in HALVES
    }
    reasons = [row["reason"] for row in found.failures]
    assert reasons[0].startswith("ArithmeticError: the stub was told to raise (stub_half.py:")
    assert reasons[2].startswith("was killed by SIGKILL")


@contextmanager
def beside(action):
    """Lets something happen while a sweep runs."""
    thread = threading.Thread(target=action)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
@pytest.mark.parametrize(
    ("number", "specs"),
    [(signal.SIGKILL, SPECS), (signal.SIGTERM, SPECS), (signal.SIGKILL, PROGRAMS)],
    ids=["killed", "terminated", "killed with programs"],
)
def test_a_worker_that_is_killed_costs_nothing(cluster, sweep, tmp_path, number, specs, capfd):
    killed = []

    def in_a_second_run():
        """The child that is in the second run of its batch."""
        children = [child for event, _, child in events(tmp_path) if event == "start"]
        return next((int(child) for child in children if children.count(child) == 2), None)

    def kill():
        wait_for(in_a_second_run, 30)
        killed.append(in_a_second_run())
        os.kill(parent_of(killed[0]), number)

    with beside(kill):
        # Batches of two tasks, each long enough to be ended on a busy machine.
        found = sweep(specs, workers=1, sleep_s=0.5)
    assert (found.failures, len(found.rows)) == ([], 2 * len(specs))
    assert records(tmp_path / "store") == expected_records(specs)
    wait_for(lambda: parent_of(killed[0]) is None, 30)  # it has noticed by itself
    # The run that was ended is the only one that was started again.
    keys = started(tmp_path)
    *_, ended = [e[1] for e in events(tmp_path) if e[2] == str(killed[0]) and e[0] == "start"]
    assert {key for key in keys if keys.count(key) > 1} <= {ended}
    assert capfd.readouterr() == ("", "")  # Ray would tell of the worker


@needs_ray
def test_a_node_that_dies_costs_nothing(cluster, sweep, tmp_path):
    node = cluster.add_node(num_cpus=1, object_store_memory=10**8)

    def kill():
        # Three CPUs are at work, one of them that of the new node.
        wait_for(lambda: len({e[2] for e in events(tmp_path) if e[0] == "end"}) >= 3, 30)
        cluster.remove_node(node, allow_graceful=False)

    with beside(kill):
        assert sweep(SPECS, workers=1, sleep_s=0.3).is_complete
    assert records(tmp_path / "store") == expected_records()


@needs_ray
def test_an_exception_of_the_driver_cancels_what_runs_and_a_sweep_goes_on(
    cluster, sweep, options, tmp_path
):
    """As many as are in the store are not run again."""
    tasks = tasks_of(PROGRAMS, PYTHONS)
    stop = Mock(side_effect=KeyboardInterrupt)  # in the place of what hears of a change
    with pytest.raises(KeyboardInterrupt):  # nobody waits for more than two
        Cluster().run([tasks[:1], tasks[1::2]], options(sleep_s=2.0), stop)
    assert all(parent_of(int(child)) is None for _, _, child in events(tmp_path))
    before = len(open_store(tmp_path / "store").finished())
    assert 1 <= before < 5  # of 5
    # The cluster lives on.
    found = sweep(PROGRAMS)
    assert (found.failures, found.num_run) == ([], 8 - before)


@needs_ray
def test_a_node_with_other_versions_runs_nothing(cluster, sweep, monkeypatch, tmp_path):
    other = {"versions": {"torch": "0"}, "machine": "abacus"}
    monkeypatch.setattr(ray_cluster, "half_fingerprint", lambda half, python: other)
    first, _ = sweep(SPECS[:1]).failures
    assert re.search("abacus.*install the same there", first["reason"])
    assert events(tmp_path) == []


@needs_ray
@pytest.mark.parametrize("resources", [{"num_gpus": 64}, {"num_cpus": 3}])
def test_resources_that_no_node_has(cluster, sweep, resources):
    with pytest.raises(InputError, match=r"no node has that many.* 2 and "):
        sweep(SPECS[:1], Cluster(**resources))


def test_a_batch_on_its_node(options, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tasks = tuple(tasks_of(SPECS[:2], PYTHONS, ["torch"]))
    made = half_fingerprint("torch", sys.executable)
    failed = run_on_node(tasks, options(acts={1: "raise"}), made)
    assert failed.keys() == {tasks[1].key}
    assert failed[tasks[1].key].startswith("ArithmeticError: the stub was told to raise (")
    assert open_store(tmp_path / "store").finished() == {tasks[0].key}
    assert not (tmp_path / "store-batches").exists()  # that is the driver's
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
    monkeypatch.setattr(local, "run", Mock(side_effect=KeyboardInterrupt(name)))
    made = half_fingerprint("torch", sys.executable)
    with pytest.raises(expected):
        run_on_node(tuple(tasks_of(SPECS[:1], PYTHONS, ["torch"])), options(), made)


@pytest.mark.parametrize("resources", [(0.0, 0.0), (-1.0, 1.0), (1.0, -1.0)])
def test_resources_that_limit_nothing(resources):
    with pytest.raises(InputError, match=r"--cpus .* --gpus .*: expected"):
        Cluster(None, *resources)


def test_a_gpu_that_a_task_would_not_see_and_no_ray_are_told(sweep, monkeypatch):
    with pytest.raises(InputError, match=r"--device cuda:1 with --gpus 0: .* set --gpus"):
        sweep(specs_of(0, device="cuda:1"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'keras-torch-parity\[ray\]'"):
        sweep(SPECS[:1])


DRIVER = """
import json, sys
from pathlib import Path
from stub_sweeps import stub_options
from parity.errors import InputError
from parity.programs.run_spec import RunSpec
from parity.sweeps.ray_cluster import Cluster
from parity.sweeps.sweep import run_sweep

folder, address, specs, sleep_s = Path(sys.argv[1]), *json.loads(sys.argv[2])
try:
    specs = [RunSpec.from_dict(spec) for spec in specs]
    run_sweep(specs, stub_options(folder, sleep_s=sleep_s), Cluster(address).run)
except InputError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt as error:
    sys.exit(f"interrupted {error}")
"""


def start_driver(folder, address, *, sleep_s=0.0, specs=SPECS[:2], program=DRIVER):
    """A sweep in a process of its own, in another folder, that warns of nothing in silence."""
    settings = json.dumps([address, [spec.to_dict() for spec in specs], sleep_s])
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, folder, settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


@needs_ray
def test_a_running_cluster_is_used_and_left_running(cluster, sweep, tmp_path):
    driver = start_driver(tmp_path, cluster.address)
    assert (driver.communicate(timeout=60), driver.returncode) == (("", ""), 0)
    assert (len(open_store(tmp_path / "store").finished()), sweep(SPECS[:3]).num_run) == (4, 2)


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
    with pytest.raises(InputError, match=rf"\A--ray-address {address}: cannot be reached \(.*\Z"):
        ray_cluster._connect(None, address)


def listening():
    """The addresses on which something listens, by the inode of its socket."""
    found = {}
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    for words in map(str.split, itertools.chain(*tables)):
        if words[3] == "0A":  # TCP_LISTEN
            # Words of 32 bits in the order of this machine's bytes.
            raw = np.frombuffer(bytes.fromhex(words[1].partition(":")[0]), "u4")
            found[words[9]] = ipaddress.ip_address(raw.astype(">u4").tobytes())
    return found


def is_loopback(address):
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def descendants(process):
    """A process and all that it has started, directly or not."""
    parents = {int(p.name): parent_of(p.name) for p in Path("/proc").glob("[0-9]*")}
    found, new = set(), {process}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found


def sockets_of(process):
    with suppress(OSError):
        for file in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                target = os.readlink(file)
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]


def program_of(process):
    """The name of the file that a process runs; None where it has ended meanwhile."""
    with suppress(OSError):
        return Path(os.readlink(f"/proc/{process}/exe")).name


def opened_by(process):
    """(name of the process, address) of all sockets on which it and its descendants listen."""
    known, found = listening(), []
    for each in descendants(process):
        with suppress(OSError):
            name = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")[0].decode()
            inodes = known.keys() & set(sockets_of(each))
            found += [(name.rpartition("/")[2], known[inode]) for inode in inodes]
    return found


LOOPBACK = {"::ffff:127.0.0.1": True, "127.0.0.1": True, "::": False, "0.0.0.0": False}


def test_sockets_are_told_from_each_other():
    """The null case and the fault of the test below."""
    with socket.socket() as here, socket.socket() as everywhere:
        for each, address in ((here, "127.0.0.1"), (everywhere, "0.0.0.0")):
            each.bind((address, 0))
            each.listen()
        addresses = {str(address) for _, address in opened_by(os.getpid())}
    assert {"127.0.0.1", "0.0.0.0"} <= addresses
    assert {each: is_loopback(ipaddress.ip_address(each)) for each in LOOPBACK} == LOOPBACK


@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="finds processes and sockets in /proc")
def test_a_cluster_of_its_own_is_reached_from_here_alone_and_ends_with_its_driver(tmp_path):
    driver = start_driver(tmp_path, None, sleep_s=0.5, specs=SPECS)
    store = open_store(tmp_path / "store")
    try:
        # Not the log, in which a run ends before its result is in the store.
        wait_for(lambda: len(store.finished()) >= 2, 60)  # workers are there, too
        found = opened_by(driver.pid)
        names = " ".join(name for name, _ in found)
        assert all(each in names for each in ("gcs_server", "raylet", "ray::", "python")), names
        assert [each for each in found if not is_loopback(each[1])] == []
        assert "dashboard" not in names.lower()
        # Ray's own programs, in which nothing has written over what they were started with.
        environments = [
            Path(f"/proc/{each}/environ").read_bytes().split(b"\0")
            for each in descendants(driver.pid)
            if program_of(each) in ("gcs_server", "raylet")
        ]
        assert len(environments) == 2
        for environment in environments:
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
            with suppress(OSError):
                text = path.read_bytes()
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
    assert re.match("error: Ray listens on .*run the sweep in a process of its own", error)
    assert events(tmp_path) == []
