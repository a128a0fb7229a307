"""The report as text: what it says, in 80 columns, with nothing that a terminal would obey."""

import io
import math
import re

import pytest
from helpers import Terminal
from result_samples import failing_run, run

from parity.ladder.items import FAIL, NOT_REACHED, PASS, SKIPPED, Item, Level
from parity.ladder.result import ERROR, Result
from parity.programs.run_spec import RunSpec
from parity.report.text.result import _level_line, print_result, result_lines, without_repeats
from parity.report.text.terminal import print_lines

SOURCE = (
    "1.5 × the greatest difference so far between any two of 69 Keras runs, 68 of them with "
    "initial weights perturbed by one ULP; not compared from epoch 13 on, where the rates differ"
)
LEVEL_IDS = "data structure init forward loss gradient optimizer trajectory schedule behaviour"
# Our longest names, late in a long training.
LONGEST = [
    ("running loss", 49, 93_750, None),
    ("val_accuracy", 49, 93_750, None),
    ("conv2.kernel", 49, 93_750, (2, 2, 31, 63)),
    ("dense1.kernel", 49, 93_750, (1599, 127)),
    ("dense1.kernel.momentum", None, 20, (1599, 127)),
    ("optimizer.learning_rate", None, None, None),
    ("images", 999, None, (59_999, 27, 27, 0)),
    ("running loss", 9_999, 10**7, None),
]


def level(name, status=PASS, *items, source="bit for bit: nothing may differ"):
    return Level(name, status, source, tuple(items))


def exact(name="index", worst=0.0, **place):
    return Item(name, worst, 0.0, "count", 1_234_567, **place)


def close(name="conv1.kernel", worst=2e-13, allowed=1e-12, **place):
    return Item(name, worst, allowed, "abs", 288, **place)


def make_result(verdict=PASS, levels=None, *, scenario="augmentation", **changes):
    if levels is None:
        levels = [level(name, PASS, exact()) for name in LEVEL_IDS.split()]
        levels[7] = level("trajectory", PASS, close(epoch=0, step=5), source=SOURCE)
    column = {"val_accuracy": [0.5, 0.985], "learning_rate": [0.001, 0.001]}
    fields = {
        "behaviour": {"keras": {"verdict": "underfit"}, "torch": {"verdict": "underfit"}},
        "history": {"keras": column, "torch": column},
        "wall_s": {"keras": 12.345, "torch": 6.789},
        **changes,
    }
    spec = RunSpec().to_dict() | {"scenario": scenario, "seed": 2**32 - 1, "dtype": "float64"}
    return Result(verdict, spec, tuple(levels), **fields)


def failing(item, source=SOURCE, **changes):
    levels = [level(name, PASS, exact()) for name in LEVEL_IDS.split()[:7]]
    levels.append(level("trajectory", FAIL, close(step=1, epoch=0), item, source=source))
    levels += [level(name, NOT_REACHED, source="") for name in ("schedule", "behaviour")]
    return make_result(FAIL, levels, **changes)


def error(*reasons):
    return Result(ERROR, RunSpec(scenario="dropout").to_dict(), errors=reasons)


def text(result):
    """What is printed into a pipe."""
    stream = io.StringIO()
    print_result(result, stream)
    return stream.getvalue()


def on_terminal(monkeypatch, lines, **environment):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    print_lines(lines, stream)
    return stream.getvalue()


def fits(printed):
    return [line for line in printed.splitlines() if len(line) > 80] == []


def test_a_run_that_passes_reads_like_this():
    assert text(make_result()).splitlines() == [
        "augmentation  seed 4294967295  float64  20 epochs  batch 32  seeded  PASS",
        "  level                 differs    allowed  where",
        *[
            f"  {name:<11}pass             0          0  of 1,234,567 values, bit for bit"
            if name != "trajectory"
            else "  trajectory pass       2.0e-13    1.0e-12  conv1.kernel (epoch 1, step 5)"
            for name in LEVEL_IDS.split()
        ],
        "  accuracy   keras val ▁█  █=0.985",
        "  2 epochs   torch val ▁█  ▁=0.500",
        "  keras      val_accuracy 0.9850  underfit  12.3 s",
        "  torch      val_accuracy 0.9850  underfit  6.8 s",
        "  The two runs are the same: all 10 levels agree",
        "",
    ]


def test_a_run_that_fails_shows_the_first_divergence():
    item = close("conv2.kernel", 0.5, epoch=0, step=5, index=(1, 2), keras=1.5, torch=2.0, note="n")
    printed = text(failing(item, source="float64"))
    lines = printed.splitlines()
    assert lines[0].endswith("  FAIL")
    start = next(n for n, line in enumerate(lines) if line.startswith("  first divergence"))
    assert lines[start : start + 5] == [
        "  first divergence  trajectory: conv2.kernel (epoch 1, step 5) at [1, 2]",
        "    keras 1.5",
        "    torch 2.0",
        "    differs by 5.0e-01 (abs), allowed 1.0e-12; n",
        "    float64",
    ]
    assert "  The two runs are different; 8 of 10 levels compared" in lines
    assert "  trajectory FAIL       5.0e-01    1.0e-12  conv2.kernel (epoch 1, step 5)" in lines
    assert "  schedule   -" in lines
    assert fits(printed)


def test_a_run_that_fails_without_a_cause_says_nothing_of_causes():
    assert "known divergence" not in text(failing_run())


def test_a_run_shows_the_curves_of_both_halves():
    lines = text(run()).splitlines()
    assert lines[13:17] == [
        "  loss       keras ▇▃▁ val █▅▃  █=2.50",
        "             torch ▇▃▁ val █▅▃  ▁=0.500",
        "  accuracy   keras ▁▅█ val ▁▅▅  █=0.750",
        "  3 epochs   torch ▁▅█ val ▁▅▅  ▁=0.250",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "no-such-encoding"])
@pytest.mark.parametrize("is_terminal", [False, True], ids=["pipe", "terminal"])
def test_where_bars_cannot_be_written_digits_stand_for_them(plain_terminal, encoding, is_terminal):
    class Stream(Terminal if is_terminal else io.StringIO):
        pass

    Stream.encoding = encoding
    stream = Stream()
    print_result(run(), stream)
    assert "  loss       keras 731 val 853  8=2.50" in stream.getvalue()
    assert "▁" not in stream.getvalue()


def test_a_run_without_result_shows_why():
    printed = text(error("keras was killed\n    last line of its log", "torch hung"))
    lines = printed.splitlines()
    assert lines[0] == "dropout  seed 42  float32  20 epochs  batch 32  seeded  ERROR"
    assert lines[1:] == ["  keras was killed", "      last line of its log", "  torch hung", ""]


def test_a_failing_level_that_compared_nothing_is_shown_without_a_divergence():
    levels = [level("data", FAIL), level("structure", NOT_REACHED)]
    printed = text(make_result(FAIL, levels))
    assert "  data       FAIL\n" in printed
    assert "first divergence" not in printed


def test_a_skipped_level_says_so():
    assert "  trajectory skipped\n" in text(make_result(levels=[level("trajectory", SKIPPED)]))


@pytest.mark.parametrize(
    ("rates", "words"),
    [([0.1, 0.1], ""), ([0.1, 0.01], "1 rate cut"), ([0.1, 0.01, 0.001], "2 rate cuts")],
    ids=["none", "one", "two"],
)
def test_cuts_of_the_rate_are_counted(rates, words):
    column = {"val_accuracy": [0.5], "learning_rate": rates}
    printed = text(make_result(history={"keras": column, "torch": column}))
    assert ("rate cut" in printed) == bool(words)
    assert f"{words}\n" in printed


def test_one_epoch_is_no_epochs():
    result = make_result()
    result.spec["epochs"] = 1
    assert "  1 epoch  " in text(result)


@pytest.mark.parametrize(
    ("worst", "allowed", "words"),
    [
        (math.inf, 1e-12, "differs by inf (abs), allowed 1.0e-12"),
        (math.nan, 0.0, "differs by nan (abs), allowed 0"),
        (3.0, 0.0, "differs by 3 (abs), allowed 0"),
        (1e300, math.inf, "allowed inf"),
        (12_345_678.0, 0.25, "differs by 1.2e+07 (abs), allowed 2.5e-01"),
    ],
)
def test_numbers_are_short(worst, allowed, words):
    item = Item("item", worst, allowed, "abs", 0 if allowed == math.inf else 1)
    printed = text(failing(item))
    assert words in printed
    assert fits(printed)


@pytest.mark.parametrize(("name", "epoch", "step", "index"), LONGEST, ids=lambda value: str(value))
def test_no_line_of_our_own_names_is_over_80_columns(name, epoch, step, index):
    item = Item(
        name, 1.5e-300, 1e-308, "count" if index is None else "rel", 10**9, epoch, step, index,
        keras=-1.2345678901234567e-300, torch="x" * 500, note="1,234,567 of 1,234,567,890 above",
    )  # fmt: skip
    column = {"val_accuracy": [0.5], "learning_rate": [1 / n for n in range(1, 60)]}
    printed = text(
        failing(
            item,
            history={"keras": column, "torch": column},
            wall_s={"keras": 123_456.7, "torch": 98_765.4},
        )
    )
    assert fits(printed)
    assert name in printed
    for part in (f"epoch {item.epoch_number}", f"step {step}"):
        assert part in printed or "None" in part
    if index is not None:
        assert f"at {list(index)}" in printed
    assert " ".join(SOURCE.split()) in " ".join(printed.split())  # whole, on several lines
    assert "59 rate cuts" in printed or "58 rate cuts" in printed
    assert "123456.7 s" in printed
    assert "98765.4 s" in printed


@pytest.mark.parametrize("length", [40, 200, 5000])
def test_a_long_name_loses_its_middle(length):
    name = "first." + "x" * length + ".last"
    printed = text(failing(close(name, 0.5, epoch=3, step=700), scenario=name))
    assert fits(printed)
    for line in printed.splitlines()[0], printed.split("trajectory FAIL")[1].splitlines()[0]:
        assert "first." in line
        assert "..." in line
        assert ".last" in line
    assert printed.splitlines()[0].endswith("seeded  FAIL")
    assert "(epoch 4, step 700)" in printed


def test_a_long_value_is_cut():
    printed = text(failing(close(worst=1.0, keras="k" * 71, torch="t" * 70)))
    assert f"    keras {'k' * 67}...\n" in printed
    assert f"    torch {'t' * 70}\n" in printed


HOSTILE = {
    "markup": ("[red]name[/red]", "[red]name[/red]"),
    "a closing tag alone": ("[/]", "[/]"),
    "a link": ("[link=http://x]y", "[link=http://x]y"),
    "an escape code": ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
    "a line break": ("two\nlines\r", r"two\nlines\r"),
    "a bell": ("ring\a", r"ring\x07"),
    "an override of direction": ("a\N{RIGHT-TO-LEFT OVERRIDE}b", r"a\u202eb"),
    "half a character": ("a\udc80b", r"a\udc80b"),
    "an emoji code": (":smile:", ":smile:"),
    "Umlaute": ("Größe", "Größe"),
}


@pytest.mark.parametrize(("name", "shown"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_is_shown_as_text(monkeypatch, name, shown):
    item = close(name, 1.0, keras=name, torch=name, note=name)
    result = failing(item, source=name, scenario=name)
    printed = text(result)
    assert printed.startswith(f"{shown}  seed")
    assert f"first divergence  trajectory: {shown}\n" in printed
    assert f"keras {shown}\n" in printed
    assert f"torch {shown}\n" in printed
    assert f"; {shown}\n" in printed
    assert all(character.isprintable() for line in printed.split("\n") for character in line)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(monkeypatch, result_lines(result)))
    assert [line.rstrip() for line in plain.split("\n")] == printed.split("\n")


@pytest.mark.parametrize(("name", "shown"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_reason_is_shown_as_text(name, shown):
    printed = text(error(f"log: {name}|"))
    assert all(character.isprintable() for line in printed.split("\n") for character in line)
    if "\n" not in name:
        assert f"  log: {shown}|\n" in printed


def test_a_pipe_gets_plain_text_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    printed = text(make_result())
    assert "\x1b" not in printed
    assert all(line == line.rstrip() for line in printed.splitlines())


def test_a_terminal_gets_colours(monkeypatch):
    printed = on_terminal(monkeypatch, result_lines(make_result()))
    assert "\x1b[1;32mPASS" in printed
    printed = on_terminal(monkeypatch, result_lines(failing(close(worst=1.0))))
    assert "\x1b[1;31mFAIL" in printed


def test_no_color_is_respected(monkeypatch):
    printed = on_terminal(monkeypatch, result_lines(failing(close(worst=1.0))), NO_COLOR="1")
    codes = {int(code) for found in re.findall(r"\x1b\[([0-9;]+)m", printed)
             for code in found.split(";")}  # fmt: skip
    assert codes <= {0, 1, 2}  # bold and dim are no colours


def test_a_dumb_terminal_gets_plain_text(monkeypatch):
    assert "\x1b" not in on_terminal(monkeypatch, result_lines(make_result()), TERM="dumb")


def test_the_standard_output_is_where_it_goes(capsys):
    print_result(make_result())
    assert capsys.readouterr().out == text(make_result())


def test_a_level_without_any_difference_names_no_place_but_how_much_was_compared():
    items = (close("eval", 0.0), close("train", 0.0))
    line = "".join(
        part for part, _ in _level_line(make_result(), Level("loss", "pass", "made here", items))
    )
    assert line == "  loss       pass             0    1.0e-12  of 576 values"


def test_an_error_of_an_earlier_result_is_told_in_a_few_words():
    told = {}
    first, second, other = (
        without_repeats(error(text), told).errors
        for text in (
            "a keras: no numpy; install it\nlog",
            "b keras: no numpy; install it\nlog2",
            "c",
        )
    )
    assert first == ("a keras: no numpy; install it\nlog",)
    assert second == ("b keras: the same as a keras",)
    assert other == ("c",)
