"""What all tests start from: one thread, quiet frameworks, generators left as they were found."""

import gc
import logging
import os
import signal
import sys

# Read when the frameworks start. One thread: sums are then added in one order, and two workers do
# not fight for two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("PARITY_NATIVE", "1")  # what is tested hangs on no clock (test_trial.py)

import pytest

# Before TensorFlow, wherever a test imports it: the other order can crash. torchvision's transforms
# load Triton where torch is built for CUDA, whose LLVM does not bear TensorFlow's before it.
import torch
import torchvision.transforms.v2  # noqa: F401
from changed_functions import left_as_found, set_dtypes
from helpers import make_data, small_data
from hypothesis import settings

torch.set_num_threads(1)

# pyproject.toml leaves pytest's capture of logs out, without which Python would print warnings.
logging.getLogger().addHandler(logging.NullHandler())

# The same examples in every run and in every worker, and no example database left behind.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

MANY_OBJECTS = 50_000  # the garbage collector looks at so many in a hundredth of a second


def pytest_collection_modifyitems(items):
    """Files with long tests are begun first: at the end one worker would wait for the other.

    The tests of a file stay together, so that a worker makes what they share once.
    """
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is collected and imported stays: the garbage collector need not look at it.

    Keras collects garbage for every new model.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _collected():
    """The modules of the tests and their support, by name."""
    root = os.path.dirname(__file__)
    return {
        name: module
        for name, module in list(sys.modules.items())
        if (getattr(module, "__file__", None) or "").startswith(root)
    }


@pytest.fixture(autouse=True, scope="module")
def _what_stays_is_not_looked_at_again():
    """What the tests of a file have left alive, such as modules, would slow down all after them."""
    yield
    if len(gc.get_objects(generation=2)) > MANY_OBJECTS:
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _nobody_waits_for_the_disk():
    """Files are written as always, but need not outlive a power cut: each took two waits of 6 ms.

    Children that are forked do the same (`warm_server`, `forked_calls`).
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def _process_is_left_as_found(request, _collected):
    """One fixture for all of it: there are so many tests that each one takes seconds.

    A check imports the user's modules anew (`forget_modules`), and takes tests for such.
    """
    with left_as_found():
        yield
    set_dtypes()  # not as found: a fixture of a module may have changed them before
    if request.module.__name__ not in sys.modules:
        sys.modules.update(_collected)


@pytest.fixture
def plain_terminal(monkeypatch):
    """No variables but these tell rich what a terminal is."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture(scope="session")
def color_data():
    """See `small_data`."""
    return small_data()


@pytest.fixture(scope="session")
def digit_data():
    """Images in the shape of MNIST's."""
    return make_data((28, 28, 1), num_classes=10, num_train=70, num_val=20)


@pytest.fixture(scope="module")
def warm_halves():
    """Children of the halves begin with their framework imported."""
    from warm_halves import warmed

    with warmed():
        yield


@pytest.fixture
def direct():
    """TensorFlow makes no functions of single operations, which takes longer than they do."""
    if "tensorflow" not in sys.modules:
        yield
        return
    from parity.halves.keras.kernels import direct_operations

    with direct_operations():
        yield


@pytest.fixture
def signals_are_heard():
    """Also where these tests run in the background of a shell, which ignores some.

    A process that a test starts begins with what its parent ignores.
    """
    numbers = (signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def user_program():
    """The files of the program in `support/user_program` import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(os.path.join(os.path.dirname(__file__), "support", "user_program"))
        yield
