"""The client of a child: whatever the child answers or does ends in one paragraph."""

import json
import os
import subprocess
import sys
import time

import pytest
from bench_children import Stub, open_files, task
from processes import is_alive, wait_for

from parity.bench import client as module
from parity.bench.client import BenchClient, Round
from parity.errors import RunError


@pytest.fixture
def connect(tmp_path):
    """Starts a child that does as a text says; all of them are ended."""
    clients = []

    def start(text="serve()", *, timeout_s=20.0, given=None):
        given = given or task()
        stub = Stub(tmp_path, {given.variant: text})
        client = BenchClient(given, "torch", stub.python, tmp_path / "child", timeout_s)
        clients.append(client)
        return client, stub

    yield start
    for client in clients:
        client.close()


def refused(action):
    """The reason of a failure: one paragraph that is short enough for a row."""
    with pytest.raises(RunError) as raised:
        action()
    reason = str(raised.value)
    assert "\n" not in reason
    assert 0 < len(reason) < 600
    return reason


def test_a_child_works_in_its_turns_and_ends_when_it_is_told_to(connect):
    client, stub = connect(
        "serve(seconds=(0.5, 0.25), samples=(64,), memory=7.5, accuracies=(0.75,))"
    )
    assert client.ready() == {"variant": "torch", "precision": "fp32"}
    assert client.round() == Round(0.5, 64, 7.5)
    assert client.accuracy() == 0.75
    assert client.round() == Round(0.25, 64, 7.5)
    client.close()
    assert [words[1] for words in stub.events()] == ["start", "round", "round", "end"]


def test_the_child_finds_its_task_in_its_folder(connect, tmp_path):
    given = task(part="step", precision="bf16", threads=3)
    connect(given=given)
    assert json.loads((tmp_path / "child" / "task.json").read_text()) == given.to_dict()


TELLS = "ready(); answer(environment=dict(os.environ)); sys.stdin.readline()"


@pytest.mark.parametrize("variant", ["keras-tuned", "torch"])
def test_every_child_has_its_threads_and_keras_computes_with_tensorflow(connect, variant):
    client, _ = connect(TELLS, given=task(variant, threads=3))
    client.ready()
    told = client.ready()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        assert told[name] == "3"
    assert told["KERAS_BACKEND"] == "tensorflow"


@pytest.mark.parametrize(("device", "visible"), [("cpu", ""), ("cuda", "0"), ("cuda:1", "1")])
def test_keras_on_torch_sees_the_device_that_was_asked_for_and_no_other(connect, device, visible):
    """It takes the first GPU that it sees, whatever it is asked for."""
    client, _ = connect(TELLS, given=task("keras-torch", device=device))
    client.ready()
    told = client.ready()
    assert told["KERAS_BACKEND"] == "torch"
    assert told["CUDA_VISIBLE_DEVICES"] == visible


ENDINGS = {
    "at once": ("pass", "ended with exit code 0 before its work was done: it wrote nothing"),
    "with a word": (
        "print('one'); print('  '); print('two'); sys.exit()",
        "ended with exit code 0 before its work was done: one two",
    ),
    "as the project says": (
        "print('torch half: needs a GPU'); print('bye'); sys.exit(2)",
        "needs a GPU (exit code 2)",
    ),
    "with an exception": (
        "def f(n): raise ZeroDivisionError('by hand')\nf(1)",
        "ZeroDivisionError: by hand (exit code 1)",
    ),
    "without memory": ("raise MemoryError", "ran out of memory (MemoryError); choose a smaller"),
    "without memory of the GPU": (
        "raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB')",
        "ran out of memory (RuntimeError: CUDA out of memory. Tried to allocate 2 GiB); choose a",
    ),
    "killed": (
        "os.kill(os.getpid(), signal.SIGKILL)",
        "was killed by SIGKILL, often by the kernel's",
    ),
    "crashed": (
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "was killed by SIGSEGV; if nobody sent the signal",
    ),
    "without a framework": (
        "print(\"torch half: No module named 'torch'\"); sys.exit(77)",
        "No module named 'torch': ",
    ),
}


@pytest.mark.parametrize("name", [*ENDINGS, "in a round"])
def test_a_child_that_ends_says_why(connect, name):
    text, reason = ENDINGS.get(name, ENDINGS["killed"])
    if name == "in a round":
        client, _ = connect(f"ready()\nsys.stdin.readline()\n{text}")
        client.ready()
        found = refused(client.round)
    else:
        found = refused(connect(text)[0].ready)
    assert found.startswith(reason)
    assert "look at the log" not in found  # it goes with the folder


def test_a_child_that_hangs_is_given_up_and_ended_at_once(connect):
    client, stub = connect("note('start', os.getpid()); ready(); time.sleep(60)")
    client.ready()
    client._timeout_s = 0.3  # a busy machine may need longer for the start
    began = time.monotonic()
    assert refused(client.round).startswith("no answer within 0.3 s; give it more time (--timeout)")
    client.close()
    assert time.monotonic() - began < module.GRACE_S / 2
    (pid,) = stub.pids()
    assert not is_alive(pid)


def test_the_limit_holds_for_one_answer_and_not_for_all(connect):
    client, _ = connect("serve(before=lambda count: time.sleep(0.2))")
    client.ready()
    client._timeout_s = 1.0
    assert [client.round().samples for _ in range(6)] == [64] * 6


def answering(connect, texts):
    """The client of a child that is ready, and gives these answers one after the other."""
    each = f"for said in {texts!r}:\n    sys.stdin.readline(); say(said)\n"
    client, _ = connect(f"ready()\n{each}sys.stdin.readline()")
    client.ready()
    return client


NO_ROUNDS = [
    "hello",
    "",
    "[1.0, 64]",
    "3",
    "null",
    '{"seconds": 1.0',
    "[" * 100_000,
    '"' + "x" * 10_000 + '"',
    '{"seconds": NaN, "samples": 64, "peak_memory_mb": 1.0}',
    '{"seconds": Infinity, "samples": 64, "peak_memory_mb": 1.0}',
    '{"seconds": 0.0, "samples": 64, "peak_memory_mb": 1.0}',
    '{"seconds": -1.0, "samples": 64, "peak_memory_mb": 1.0}',
    '{"seconds": "1", "samples": 64, "peak_memory_mb": 1.0}',
    '{"seconds": true, "samples": 64, "peak_memory_mb": 1.0}',
    '{"samples": 64, "peak_memory_mb": 1.0}',
    '{"seconds": 1.0, "peak_memory_mb": 1.0}',
    '{"seconds": 1.0, "samples": 0, "peak_memory_mb": 1.0}',
    '{"seconds": 1.0, "samples": 6.4, "peak_memory_mb": 1.0}',
    '{"seconds": 1.0, "samples": true, "peak_memory_mb": 1.0}',
    '{"seconds": 1.0, "samples": 64, "peak_memory_mb": NaN}',
    '{"seconds": 1.0, "samples": 64, "peak_memory_mb": "much"}',
]


def test_an_answer_that_is_no_round_is_refused(connect):
    client = answering(connect, NO_ROUNDS)
    reasons = [refused(client.round) for _ in NO_ROUNDS]
    assert all(reason.startswith("it answered ") for reason in reasons)
    assert all("; expected " in reason for reason in reasons)


@pytest.mark.parametrize("said", ["{}", '{"environment": 3}', '{"environment": null}'])
def test_a_child_that_does_not_say_what_it_runs_on_is_not_ready(connect, said):
    client, _ = connect(f"say({said!r}); sys.stdin.readline()")
    assert "expected its environment" in refused(client.ready)


def test_an_accuracy_that_is_none_is_refused(connect):
    values = ["NaN", "1.5", "-0.1", "null", '"high"', "true"]
    client = answering(connect, [f'{{"accuracy": {value}}}' for value in values])
    reasons = [refused(client.accuracy) for _ in values]
    assert all("expected an accuracy in [0, 1]" in reason for reason in reasons)


@pytest.mark.parametrize("pause_s", [0, 0.1], ids=["at once", "a little later"])
def test_an_answer_too_many_is_not_taken_for_the_next_round(connect, pause_s):
    two = [json.dumps({"seconds": 1.0, "samples": number}) for number in (1, 2)]
    text = f"say({two[0]!r}); time.sleep({pause_s}); say({two[1]!r})"
    if not pause_s:  # both in one piece
        text = f"say({chr(10).join(two)!r})"
    client, _ = connect(f"ready(); sys.stdin.readline(); {text}; sys.stdin.readline()")
    client.ready()
    assert client.round().samples == 1
    time.sleep(2 * pause_s + 0.1)
    assert refused(client.round).startswith("it sent more answers than requests")


def test_an_answer_without_an_end_fills_no_memory(connect):
    text = "while True: replies.write('x' * 65536); replies.flush()"
    client, _ = connect(text)
    assert refused(client.ready).startswith("its answer has more than 1,000,000 bytes")
    assert len(client._buffer) < 2 * module.MAX_ANSWER


def test_a_child_that_wrote_much_says_why_it_ended_in_a_few_words(connect):
    client, _ = connect("print('x' * 3_000_000); print('y' * 5000); sys.exit(7)")
    assert refused(client.ready).endswith("… (exit code 7)")


GRANDCHILD = """
import subprocess
inner = subprocess.Popen(
    [sys.executable, "-IS", "-c", "import time; time.sleep(60)"], pass_fds=[int(descriptor)]
)
note("start", inner.pid)
"""


def test_a_process_that_a_child_leaves_behind_neither_hides_its_end_nor_lives_on(connect):
    """It holds the pipe open, so that the pipe does not tell that the child is gone."""
    client, stub = connect(f"{GRANDCHILD}ready(); sys.exit(5)", timeout_s=60.0)
    client.ready()
    began = time.monotonic()
    assert "(exit code 5)" in refused(client.round)
    assert time.monotonic() - began < 10
    (pid,) = stub.pids()
    assert is_alive(pid)
    client.close()
    wait_for(lambda: not is_alive(pid))


def test_a_child_that_closes_its_pipe_and_runs_on_is_not_waited_for(connect, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    client, _ = connect("replies.close(); time.sleep(60)", timeout_s=None)
    assert refused(client.ready) == "closed the pipe on which it answers, but did not end"


def test_a_child_that_does_not_end_is_killed(connect, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    client, stub = connect("signal.signal(signal.SIGTERM, signal.SIG_IGN); serve(); time.sleep(60)")
    client.ready()
    client.close()
    (pid,) = stub.pids()
    assert not is_alive(pid)


def test_nothing_is_left_open_and_to_close_twice_does_no_harm(tmp_path):
    before = open_files()
    client = BenchClient(task(), "torch", Stub(tmp_path).python, tmp_path / "a", 20.0)
    client.ready()
    client.close()
    other = os.open(os.devnull, os.O_RDONLY)  # may get the number of what was closed
    try:
        client.close()
        os.fstat(other)
    finally:
        os.close(other)
    assert open_files() == before


@pytest.mark.parametrize("content", [None, "not executable", b"\x7fELF no program"], ids=repr)
def test_an_interpreter_that_cannot_be_started_is_told_and_leaves_nothing(tmp_path, content):
    python = tmp_path / "python"
    if content is not None:
        python.write_bytes(content if isinstance(content, bytes) else content.encode())
        python.chmod(0o755 if isinstance(content, bytes) else 0o644)
    before = open_files()
    reason = refused(lambda: BenchClient(task(), "torch", str(python), tmp_path / "a", 20.0))
    assert reason.startswith("cannot be started (")
    assert f"check the interpreter {str(python)!r} (--torch-python)" in reason
    assert open_files() == before


def test_an_interrupt_while_a_child_is_started_leaves_nothing_open(tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    before = open_files()
    with pytest.raises(KeyboardInterrupt):
        BenchClient(task(), "torch", sys.executable, tmp_path / "a", 20.0)
    assert open_files() == before


def test_an_interrupt_while_a_child_is_waited_for_ends_it_all_the_same(connect, monkeypatch):
    client, stub = connect("serve(); time.sleep(60)")
    client.ready()
    wait, calls = client._process.wait, []

    def interrupted(timeout=None):
        calls.append(timeout)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return wait(timeout)

    monkeypatch.setattr(client._process, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.close()
    (pid,) = stub.pids()
    assert not is_alive(pid)


def test_a_child_ends_by_itself_when_its_parent_is_killed(tmp_path):
    """Its standard input ends then, as the children of the halves see it too (test_server.py)."""
    stub = Stub(tmp_path)
    script = (
        "import sys; from pathlib import Path; from bench_children import task\n"
        "from parity.bench.client import BenchClient\n"
        f"folder = Path({str(tmp_path / 'a')!r})\n"
        f"client = BenchClient(task(), 'torch', {stub.python!r}, folder, 20.0)\n"
        "client.ready(); print('ready', flush=True); sys.stdin.readline()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        assert parent.stdout.readline() == b"ready\n"
    finally:
        parent.kill()
        parent.communicate()
    (pid,) = stub.pids()
    wait_for(lambda: not is_alive(pid))
    assert stub.events()[-1] == ["torch", "end"]
