"""What Keras was fed comes out of its file as it went in."""

import numpy as np
import pytest

from parity.errors import RunError
from parity.traces.feed_file import read_feed, write_feed


def test_nests_and_settings_come_back(tmp_path):
    x = {"image": np.zeros((2, 3), np.float32), "text": np.array([1, 2])}
    nests = {"x": x, "y": np.arange(2), "weight": None, "val": (np.ones(1), [np.zeros(2)])}
    write_feed(tmp_path / "feed", nests, {"ends": [1, 2]})
    found, settings = read_feed(tmp_path / "feed")
    assert settings == {"ends": [1, 2]}
    assert list(found) == list(nests)
    assert found["weight"] is None
    assert {name: (a.dtype, a.tolist()) for name, a in found["x"].items()} == {
        name: (a.dtype, a.tolist()) for name, a in x.items()
    }
    assert found["val"][0].tolist() == [1.0]
    assert found["val"][1][0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("content", [b"", b"x" * 100])
def test_a_damaged_file_is_told(content, tmp_path):
    (tmp_path / "feed").write_bytes(content)
    with pytest.raises(RunError, match=r"feed: damaged .*; run it again"):
        read_feed(tmp_path / "feed")
