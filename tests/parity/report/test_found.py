"""Paths lose their folders, wherever they stand in a result, and nothing else changes."""

import pytest
from result_samples import BAD, GOOD, broken_run

from parity.report.found import redact_paths

# What is no absolute path stays.
STAYS = [
    "examples/migration/net.py",
    "./net.py",
    "../up/net.py",
    "~/net.py",
    "https://example.com/a/b",
    "1/2, n / (n - 1), U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))",
    "images/s",
    "conv1/kernel",
    "a \\ b, \\d+ and \\n",
    "3:4",
    "cmd /C calc",
    "/images",
    "<b>no</b>, <b/>",
    "",
]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/me/net.py", "net.py"),
        ("/home/me/net.py:build", "net.py:build"),
        ('File "/home/me/net.py", line 3', 'File "net.py", line 3'),
        ("(/home/me/net.py:7): wrong", "(net.py:7): wrong"),
        ("no /home/me/a.npz, no /home/me/b.npz", "no a.npz, no b.npz"),
        ("--out=/home/me/out", "--out=out"),
        ("/home/my name/net.py", "my name/net.py"),
        ("/home/me/folder/", "folder/"),
        ("/home/ä/größe.py", "größe.py"),
        ("file:///home/me/net.py", "net.py"),
        ("C:\\Users\\me\\net.py", "net.py"),
        ("d:/data/x.npz", "x.npz"),
        ("\\\\server\\share\\net.py", "net.py"),
        *((text, text) for text in STAYS),
    ],
)
def test_a_path_is_cut_to_its_last_part(text, told):
    assert redact_paths(text) == told


def test_every_text_of_a_result_is_looked_at():
    result = broken_run("/a/b/c")
    assert redact_paths(result).errors == ("c",)
    found = redact_paths({"list": ["/a/b/c"], "tuple": ("/a/b/c", 1, None), "/a/b": {"x": "/a/b"}})
    assert found == {"list": ["c"], "tuple": ("c", 1, None), "b": {"x": "b"}}


@pytest.mark.parametrize("result", [*GOOD.values(), *BAD.values()], ids=[*GOOD, *BAD])
def test_a_result_without_paths_is_the_same(result):
    assert redact_paths(result) == result
