"""The client of a child: whatever the child answers or does ends in one paragraph."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from unittest.mock import DEFAULT, Mock

import pytest
from bench_children import Stub, open_files, task
from processes import is_alive, wait_for

from parity.bench import client as module
from parity.bench.client import BenchClient, Round
from parity.errors import RunError


@pytest.fixture
def connect(tmp_path):
    """Starts a child that does as a text says, and waits until it is ready; all are ended."""
    with ExitStack() as ends:

        def connect(text="serve()", *, is_ready=True, timeout_s=20.0, given=None):
            given = given or task()
            stub = Stub(tmp_path, {given.variant: text})
            client = BenchClient(given, "torch", stub.python, tmp_path / "child", timeout_s)
            ends.callback(client.close)
            if is_ready:
                client.ready()
            return client, stub

        yield connect


def refused(action):
    """The reason of a failure: one paragraph that is short enough for a row."""
    with pytest.raises(RunError, match=r"\A.{1,599}\Z") as raised:
        action()
    return str(raised.value)


def test_a_child_works_in_its_turns_and_ends_when_it_is_told_to(connect, tmp_path):
    given = task(part="step", precision="bf16", threads=3)
    text = "serve(seconds=(0.5, 0.25), samples=(64,), memory=7.5, accuracies=(0.75,))"
    client, stub = connect(text, is_ready=False, given=given)
    assert client.ready() == {"variant": "torch", "precision": "bf16"}
    turns = [client.round(), client.accuracy(), client.round()]
    assert turns == [Round(0.5, 64, 7.5), 0.75, Round(0.25, 64, 7.5)]
    client.close()
    assert [words[1] for words in stub.events()] == ["start", "round", "round", "end"]
    assert json.loads((tmp_path / "child" / "task.json").read_text()) == given.to_dict()


TELLS = "ready(); answer(environment=dict(os.environ)); sys.stdin.readline()"


THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "3")


@pytest.mark.parametrize(
    ("variant", "device", "told"),
    [
        ("keras-tuned", "cpu", {"KERAS_BACKEND": "tensorflow"}),
        ("torch", "cpu", {"KERAS_BACKEND": "tensorflow"}),
        # Keras on torch takes the first GPU that it sees, whatever it is asked for.
        ("keras-torch", "cpu", {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": ""}),
        ("keras-torch", "cuda", {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": "0"}),
        ("keras-torch", "cuda:1", {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": "1"}),
    ],
)
def test_every_child_has_its_threads_its_backend_and_sees_its_device(
    connect, variant, device, told
):
    client, _ = connect(TELLS, given=task(variant, device=device, threads=3))
    assert client.ready().items() >= {**THREADS, **told}.items()


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
    "in a round": (
        "ready()\nsys.stdin.readline()\nos.kill(os.getpid(), signal.SIGKILL)",
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


@pytest.mark.parametrize("name", ENDINGS)
def test_a_child_that_ends_says_why(connect, name):
    text, reason = ENDINGS[name]
    client, _ = connect(text, is_ready=name == "in a round")
    found = refused(client.round if name == "in a round" else client.ready)
    assert found.startswith(reason)
    assert "look at the log" not in found  # it goes with the folder


def test_a_child_that_hangs_is_given_up_and_ended_at_once(connect):
    client, stub = connect("note('start', os.getpid()); ready(); time.sleep(60)")
    client._timeout_s = 0.3  # a busy machine may need longer for the start
    began = time.monotonic()
    assert refused(client.round).startswith("no answer within 0.3 s; give it more time (--timeout)")
    client.close()
    assert time.monotonic() - began < module.GRACE_S / 2
    assert stub.is_gone()


def test_the_limit_holds_for_one_answer_and_not_for_all(connect):
    client, _ = connect("serve(before=lambda count: time.sleep(0.2))")
    client._timeout_s = 1.0
    assert [client.round().samples for _ in range(6)] == [64] * 6


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


@pytest.mark.parametrize(
    ("method", "texts", "expected"),
    [
        ("round", NO_ROUNDS, "; expected "),
        (
            "accuracy",
            [f'{{"accuracy": {value}}}' for value in ("NaN", 1.5, -0.1, "null", '"high"', "true")],
            "; expected an accuracy in [0, 1]",
        ),
        (
            "ready",
            ["{}", '{"environment": 3}', '{"environment": null}'],
            "; expected its environment",
        ),
    ],
)
def test_a_wrong_answer_is_refused(connect, method, texts, expected):
    is_asked = method != "ready"  # which only waits
    begin, wait = ("ready()\n", "sys.stdin.readline(); ") if is_asked else ("", "")
    text = f"{begin}for said in {texts!r}:\n    {wait}say(said)\nsys.stdin.readline()"
    client, _ = connect(text, is_ready=is_asked)
    reasons = [refused(getattr(client, method)) for _ in texts]
    assert all(reason.startswith("it answered ") for reason in reasons)
    assert all(expected in reason for reason in reasons)


@pytest.mark.parametrize("pause_s", [0, 0.1], ids=["at once", "a little later"])
def test_an_answer_too_many_is_not_taken_for_the_next_round(connect, pause_s):
    one, two = (json.dumps({"seconds": 1.0, "samples": number}) for number in (1, 2))
    pause = f"say({one!r}); time.sleep({pause_s}); say({two!r})"
    text = pause if pause_s else f"say({one!r} + chr(10) + {two!r})"  # both in one piece
    client, _ = connect(f"ready(); sys.stdin.readline(); {text}; sys.stdin.readline()")
    assert client.round().samples == 1
    time.sleep(2 * pause_s + 0.1)
    assert refused(client.round).startswith("it sent more answers than requests")


def test_an_answer_without_an_end_fills_no_memory(connect):
    client, _ = connect("while True: replies.write('x' * 65536); replies.flush()", is_ready=False)
    assert refused(client.ready).startswith("its answer has more than 1,000,000 bytes")
    assert len(client._buffer) < 2 * module.MAX_ANSWER


def test_a_child_that_wrote_much_says_why_it_ended_in_a_few_words(connect):
    client, _ = connect("print('x' * 3_000_000); print('y' * 5000); sys.exit(7)", is_ready=False)
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
    began = time.monotonic()
    assert "(exit code 5)" in refused(client.round)
    assert time.monotonic() - began < 10
    (pid,) = stub.pids()
    assert is_alive(pid)
    client.close()
    wait_for(lambda: not is_alive(pid))


def test_a_child_that_closes_its_pipe_and_runs_on_is_not_waited_for(connect, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    client, _ = connect("replies.close(); time.sleep(60)", is_ready=False, timeout_s=None)
    assert refused(client.ready) == "closed the pipe on which it answers, but did not end"


def test_a_child_that_does_not_end_is_killed(connect, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    client, stub = connect("signal.signal(signal.SIGTERM, signal.SIG_IGN); serve(); time.sleep(60)")
    client.close()
    assert stub.is_gone()


def test_nothing_is_left_open_and_to_close_twice_does_no_harm(tmp_path):
    before = open_files()
    client = BenchClient(task(), "torch", Stub(tmp_path).python, tmp_path / "a", 20.0)
    client.ready()
    client.close()
    with open(os.devnull) as other:  # may get the number of what was closed
        client.close()
        os.fstat(other.fileno())
    assert open_files() == before


@pytest.mark.parametrize("content", [None, b"not executable", b"\x7fELF no program"], ids=repr)
def test_an_interpreter_that_cannot_be_started_is_told_and_leaves_nothing(tmp_path, content):
    python, before = tmp_path / "python", open_files()
    if content is not None:
        python.write_bytes(content)
        python.chmod(0o755 if content.startswith(b"\x7fELF") else 0o644)
    reason = refused(lambda: BenchClient(task(), "torch", str(python), tmp_path / "a", 20.0))
    assert reason.startswith("cannot be started (")
    assert f"check the interpreter {str(python)!r} (--torch-python)" in reason
    assert open_files() == before


def test_an_interrupt_while_a_child_is_started_leaves_nothing_open(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", Mock(side_effect=KeyboardInterrupt))
    before = open_files()
    with pytest.raises(KeyboardInterrupt):
        BenchClient(task(), "torch", sys.executable, tmp_path / "a", 20.0)
    assert open_files() == before


def test_an_interrupt_while_a_child_is_waited_for_ends_it_all_the_same(connect, monkeypatch):
    client, stub = connect("serve(); time.sleep(60)")
    wait = Mock(wraps=client._process.wait, side_effect=[KeyboardInterrupt, *[DEFAULT] * 9])
    monkeypatch.setattr(client._process, "wait", wait)
    with pytest.raises(KeyboardInterrupt):
        client.close()
    assert stub.is_gone()


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
    wait_for(stub.is_gone)
    assert stub.events()[-1] == ["torch", "end"]
