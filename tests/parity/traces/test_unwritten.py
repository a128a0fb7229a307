"""A trace in memory is read as the one that is written of it."""

import numpy as np
from traces import whole_parts

from parity.traces.trace import RunResult, Trace, TraceWriter, Unwritten


def test_it_has_what_the_written_trace_has(tmp_path):
    writer = TraceWriter(facts={"epoch_ends": [2, 4]}, columns={"val_loss": [0.5, 0.25]})
    for key in ("training/weights/10/a", "training/weights/2/a", "training/loss"):
        writer.put(key, np.arange(len(key)) / 8)
    result = RunResult({"loss": [1.0, 0.75]}, {}, 1.5)
    whole_parts().write(tmp_path)
    writer.write(tmp_path, environment={}, result=result)
    ours, written = Unwritten(writer, result), Trace(tmp_path)
    assert (ours.history, ours.facts) == (written.history, written.facts)
    assert ours.wall_s == written.wall_s
    for part in ("training", "training/weights", "training/final"):
        assert ours.below(part) == written.below(part)
        assert ours.names(part) == written.names(part)
    assert ours.numbers("training/weights") == [2, 10]
    assert "training/loss" in ours
    assert "training/rates" not in ours
    for key in writer.arrays:
        np.testing.assert_array_equal(ours[key], written[key])
        assert ours.largest(key) == written.largest(key)
