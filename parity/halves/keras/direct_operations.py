"""direct_operations: TensorFlow runs single operations as they are, and not as graphs of their own.

Outside of a graph, TensorFlow makes a function of each operation whose settings it has not seen
since the last `set_random_seed`, and sends it through all passes that improve graphs. This takes
0.5 ms, and the operation 0.01 ms. A probe consists of such operations. Both ways give the same
bits, but where oneDNN is at work: it has other kernels for graphs. It has none for float64.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def direct_operations() -> Iterator[None]:
    """Operations in the block are run as they are. Those of graphs are not affected."""
    eager = importlib.import_module("tensorflow.python.eager.context")
    calls = importlib.import_module("tensorflow.python.pywrap_tfe")
    choose = getattr(calls, "TFE_ContextSetRunEagerOpAsFunction", None)
    before = getattr(eager, "run_eager_op_as_function_enabled", bool)()
    if choose is None or not before:  # versions of TensorFlow that have one way only
        yield
        return
    context = eager.context()
    context.ensure_initialized()
    choose(context._handle, False)
    try:
        yield
    finally:
        choose(context._handle, True)
