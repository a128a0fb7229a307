"""The Ray engine: each task batch is a Ray task, on a new or a running cluster.

A Ray task hands its batch to the local engine of its node, so that a framework runs in a child
process of its own and never inside a Ray worker. If a worker or a node dies, Ray runs the task
again elsewhere, without the tasks that are in the store already. The child of a dead worker ends by
itself; until it notices, it computes the same bits.

Results do not travel through Ray: a task writes them to the store, and returns its failures. With
one node the store may be a folder; several nodes need a shared folder or a URL. Each node needs the
project, its interpreters and the packages of the driver. A task fails on a node with other
versions, because its results would be stored under the wrong key.

Programs of the user's run likewise. The node of a batch of ports tells itself what `fit` gets, once
for the batch, so that no feed travels. The program's files must lie on the node under the same
path, with the same content, as on a shared file system.
"""

from __future__ import annotations

import ipaddress
import itertools
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parity.errors import InputError, ParityError, RunError
from parity.files.atomic import private_folder
from parity.halves.process import environment
from parity.halves.runner import Signals
from parity.programs.program_spec import ProgramSpec
from parity.sweeps import local
from parity.sweeps.local import EngineOptions, OnChange
from parity.sweeps.store import open_store
from parity.sweeps.task import Task, half_fingerprint, planned

MAX_RETRIES = 3  # for a batch whose worker or node died
MAX_SUBMITTED = 500  # batches that Ray holds at a time, enough for as many nodes
OBJECT_STORE = 128 * 2**20  # bytes; nothing large travels through Ray
CONNECT_S = 5.0  # seconds in which an address must answer
CANCEL_S = 10.0  # seconds for cancelled tasks to end their children
TEMPORARY = "RAY_TMPDIR"  # of Ray: the user's folder for its sockets and logs
SHORT = Path("/tmp")  # the path of a socket has at most 107 characters

# Ray reads these when it is imported: no telemetry, and no copy of its log in our output.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "(?s)."}
# For a cluster of our own. Ray's processes take tasks as pickles, so that whoever reaches one runs
# code. Under this name, Ray has the switch by which it listens on the loopback address alone.
_LOOPBACK_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True)
class Cluster:
    """The cluster on which batches run.

    Attributes:
        address: HOST:PORT of a running cluster, or "auto" for one on this machine; it is left
            running. None starts a cluster on this machine, with `workers` CPUs, and ends it.
        num_cpus: CPUs that a task takes.
        num_gpus: GPUs that a task takes.

    Raises:
        InputError: a task takes neither CPUs nor GPUs, so nothing limits how many run at a time.
    """

    address: str | None = None
    num_cpus: float = 1.0
    num_gpus: float = 0.0

    def __post_init__(self) -> None:
        if min(self.num_cpus, self.num_gpus) < 0 or self.num_cpus + self.num_gpus == 0:
            raise InputError(
                f"--cpus {self.num_cpus:g} --gpus {self.num_gpus:g}: expected 0 or more, and one "
                "above 0, since they limit how many tasks run at a time"
            )

    def run(
        self, batches: Sequence[Sequence[Task]], options: EngineOptions, on_change: OnChange
    ) -> None:
        """Runs all batches, as `parity.sweeps.local.run` does.

        Args:
            batches: tasks that share half, device and threads.
            options: how the batches run. The interpreters are those of the nodes, and each node has
                its own `scratch` in its folder for temporary files.
            on_change: called with (number of the batch, tasks done in it, {key: reason}) when a
                batch has ended.

        Raises:
            InputError: Ray is missing, the address cannot be reached, no node has what a task
                takes, or a task needs a GPU and takes none.
            RunError: Ray cannot start a cluster here.
            KeyboardInterrupt: SIGINT, SIGTERM or SIGHUP was received; all tasks have been ended,
                and what has finished is in the store.
        """
        devices = {tasks[0].spec.device for tasks in batches} - {"cpu"}
        if devices and self.num_gpus == 0:
            raise InputError(
                f"--device {min(devices)} with --gpus 0: a Ray task sees only the GPUs that it "
                "takes; set --gpus, for example 0.5 for two tasks on one GPU"
            )
        ray = _import_ray(starts=self.address is None)
        with (
            self._connected(ray, options.children.num_workers) as goes_on,
            Signals() as signals,
            signals.raised(),
        ):
            self._check_nodes(ray)
            self._run(ray, batches, options, on_change, cancels=goes_on)

    def _run(
        self,
        ray: Any,
        batches: Sequence[Sequence[Task]],
        options: EngineOptions,
        on_change: OnChange,
        *,
        cancels: bool,
    ) -> None:
        halves = {tasks[0].half for tasks in batches}
        expected = {half: half_fingerprint(half, options.children.pythons[half]) for half in halves}
        submit = self._remote(ray)
        waiting = iter(enumerate(batches))
        running: dict[Any, int] = {}
        try:
            while True:
                for number, tasks in itertools.islice(waiting, MAX_SUBMITTED - len(running)):
                    running[submit(tuple(tasks), options, expected[tasks[0].half])] = number
                if not running:
                    return
                for ended in ray.wait(list(running), num_returns=1)[0]:
                    number = running.pop(ended)
                    tasks = batches[number]
                    on_change(number, len(tasks), _failures(ray, ended, tasks, options.store))
        finally:
            # Skipped if the cluster ends anyway: a task that ends while it is being cancelled can
            # abort the driver (Ray 2.60, "Tried to complete task that was not pending").
            for task in running if cancels else ():
                ray.cancel(task)
            if running and cancels:
                ray.wait(list(running), num_returns=len(running), timeout=CANCEL_S)

    def _remote(self, ray: Any) -> Callable[..., Any]:
        # Workers then import this project and the packages that the driver imports.
        paths = environment(sys.executable).get("PYTHONPATH")
        remote = ray.remote(
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus,
            max_retries=MAX_RETRIES,
            runtime_env={"env_vars": {"PYTHONPATH": paths}} if paths else None,
        )
        submit: Callable[..., Any] = remote(run_on_node).remote
        return submit

    @contextmanager
    def _connected(self, ray: Any, workers: int) -> Iterator[bool]:
        """Yields whether the cluster keeps running after the sweep."""
        if ray.is_initialized():  # the caller has started it and ends it
            yield True
            return
        is_quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        is_main = threading.current_thread() is threading.main_thread()
        # Ray replaces this handler with its own, permanently.
        handler = signal.getsignal(signal.SIGTERM)
        with ExitStack() as folders:
            try:
                if self.address is None:
                    _start(ray, folders, num_cpus=workers, **is_quiet)
                else:
                    _connect(ray, self.address, **is_quiet)
                yield self.address is not None
            finally:
                ray.shutdown()
                if is_main and handler is not None:
                    signal.signal(signal.SIGTERM, handler)

    def _check_nodes(self, ray: Any) -> None:
        """Refuses a cluster without a fitting node; Ray would wait for one silently and forever."""
        needed = {"CPU": self.num_cpus, "GPU": self.num_gpus}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= needed[name] for name in needed) for node in nodes):
            found = ", ".join(
                f"{node.get('CPU', 0):g} and {node.get('GPU', 0):g}" for node in nodes
            )
            raise InputError(
                f"--cpus {self.num_cpus:g} --gpus {self.num_gpus:g}: no node has that many; the "
                f"nodes have {found}; ask for less, or add a node"
            )


def run_on_node(
    tasks: tuple[Task, ...], options: EngineOptions, expected: Mapping[str, Any]
) -> dict[str, str]:
    """Runs a batch on this node, in a Ray worker.

    Args:
        tasks: the batch.
        options: options of the engine.
        expected: fingerprint of the half on the driver.

    Returns:
        {key: reason} of the tasks that failed.

    Raises:
        InputError: the node has other code, other versions or other files of a program, or cannot
            use the store.
    """
    half = tasks[0].half
    found = half_fingerprint(half, options.children.pythons[half])
    if found != expected:
        raise InputError(
            f"the node {socket.gethostname()} has {found}; expected {dict(expected)}, as the "
            "driver has; install the same there"
        )
    _check_files(tasks[0], options)
    failures: dict[str, str] = {}

    def change(number: int, num_done: int, reasons: Mapping[str, str]) -> None:
        failures.update(reasons)

    alone = replace(
        options,
        scratch=None,
        children=replace(options.children, workers=1),
    )
    try:
        local.run([tasks], alone, change)
    except KeyboardInterrupt as error:
        if error.args == (signal.SIGTERM.name,):
            # The worker was ended from outside. Ray would take the interrupt for a cancelled task,
            # and would not run it again.
            raise SystemExit("terminated") from error
        raise
    return failures


def _check_files(task: Task, options: EngineOptions) -> None:
    """Refuses a task of a program whose key is another one here: its files, or what they need."""
    if not isinstance(task.spec, ProgramSpec):
        return
    found, why = "", "other content, or other versions of what they need"
    try:
        found = planned([task.spec], options.children.pythons, [task.half])[0].key
    except InputError as error:
        why = str(error)
    if found != task.key:
        raise InputError(
            f"the node {socket.gethostname()} has not the files of {task.spec.name} that the "
            f"driver has in {task.spec.folder} ({why}); put them on a file system that all nodes "
            "share, or use --engine local"
        )


def _failures(ray: Any, ended: Any, tasks: Sequence[Task], store: str) -> dict[str, str]:
    try:
        failures: dict[str, str] = ray.get(ended)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        reason = str(cause) if isinstance(cause, ParityError) else f"Ray: {_line(error)}"
        finished = open_store(store)
        return {task.key: reason for task in tasks if task.key not in finished}
    return failures


def _import_ray(*, starts: bool = False) -> Any:
    """Imports Ray.

    Args:
        starts: whether a cluster will be started, and not a running one be used.
    """
    if "ray" not in sys.modules:  # later, only the processes that it starts would heed this
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if starts:
            os.environ.update(_LOOPBACK_ALONE)
            # Other users of this machine reach that address, too.
            if "RAY_AUTH_MODE" not in os.environ:
                token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
                os.environ.update(token)
    try:
        import ray
    except ImportError as error:
        raise InputError(
            f"--engine ray needs Ray ({error}); install it: "
            f"{sys.executable} -m pip install 'keras-torch-parity[ray]'; or use --engine local"
        ) from error
    return ray


def _start(ray: Any, folders: ExitStack, **settings: Any) -> None:
    try:
        if TEMPORARY not in os.environ:
            # Ray gives everybody the right to write in its folder, so it gets one inside of ours.
            folder = folders.enter_context(private_folder("ray", SHORT))
            settings["_temp_dir"] = str(folder / "ray")
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            **settings,
        )
    except Exception as error:  # many kinds, from sockets to subprocesses
        raise RunError(
            f"Ray cannot start a cluster on this machine ({_line(error)}); set {TEMPORARY} to a "
            "folder, in which its logs stay, or use --engine local"
        ) from error
    addresses = {node["NodeManagerAddress"] for node in ray.nodes()}
    if not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        raise RunError(
            f"Ray listens on {', '.join(sorted(addresses))}, where others could send it tasks, "
            "since it was imported before this sweep began; run the sweep in a process of its own, "
            "start a cluster yourself and give its address, or use --engine local"
        )


def _connect(ray: Any, address: str, **settings: Any) -> None:
    try:
        if address != "auto":
            # Ray itself would try for a quarter of an hour and report every attempt.
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
        ray.init(address=address, **settings)
    except Exception as error:  # as above
        raise InputError(
            f"--ray-address {address}: cannot be reached ({_line(error)}); expected HOST:PORT of a "
            "running cluster, as `ray start --head` prints it, or auto; or leave it out to start "
            "a cluster here"
        ) from error


def _line(error: BaseException) -> str:
    """Returns the first line of an error's text."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    return lines[0] if lines else type(error).__name__
