"""The report of a benchmark: in 80 columns, as a page, as a spreadsheet, from hostile texts too."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from bench_results import HOSTILE, MACHINE, SPEC, noisy, result, row
from markdown_it import MarkdownIt  # of rich, which is a dependency
from report_lines import check, styles, text

from parity.bench.comparison import compare
from parity.bench.result import FAILED, IMAGES_PER_S, OK, REFUSED, SECONDS, BenchResult, Ratio
from parity.bench.statistics import with_ratios
from parity.report.bench_sentences import machine_text, number, times, warnings
from parity.report.lines import plain
from parity.report.text.bench import bench_lines, comparison_lines, to_csv, to_markdown

EXTREMES = [1e-100, 1e-9, 0.00999, 0.01, 0.0949, 1.0, 99.994, 99_999.4, 999_999.4, 1e6, 1e100]


def found():
    """Two parts, one variant that failed, and one that trains otherwise."""
    return result(
        row("keras", 8000.0, 8100.0, 8200.0, warmup_s=12.1, peak_memory_mb=811.6, **ACCURACY),
        row("torch", 12000.0, 12150.0, 12300.0, warmup_s=3.4, peak_memory_mb=640.2, parity="pass"),
        row("torch-compiled", status=FAILED, reason="the child was killed\n(out of memory)"),
        row("torch-own", 9.0, status=REFUSED, reason="another accuracy", parity="fail"),
        row("keras", 4.5, 4.0, 5.0, part="startup", unit=SECONDS),
        row("torch", 1.5, 1.0, 1.25, part="startup", unit=SECONDS),
    )


ACCURACY = {"seconds_to_accuracy": 31.04}


def test_a_benchmark_reads_like_this():
    assert text(bench_lines(found())) == [
        "  train, batch 32, fp32: images/s, 3 rounds",
        "  variant            median       q1       q3    x keras, interval     MB parity",
        "  keras               8,100    8,050    8,150                         812 -",
        "  torch              12,150   12,075   12,225   1.50   1.50   1.50    640 pass",
        "  warm-up: keras 12.1 s, torch 3.40 s",
        "  accuracy reached: keras 31.0 s",
        "  failed: torch-compiled",
        "    the child was killed (out of memory)",
        "  refused: torch-own",
        "    another accuracy",
        "",
        "  startup, batch 32, fp32: s, 3 rounds",
        "  variant            median       q1       q3    x keras, interval     MB parity",
        "  keras               4.500    4.250    4.750                           - -",
        "  torch               1.250    1.125    1.375   4.00   3.00   4.00      - -",
        "",
        "  warning: only 75 % of intervals from 3 rounds contain the true ratio; 95 %",
        "  need at least 6 rounds",
        "  q1, q3: quartiles of the rounds; ratios compare alternating rounds, above 1 is",
        "  faster; with 6 rounds or more, at least 95 % of all intervals contain the true",
        "  median ratio",
        "  AMD EPYC 7B13, 2 cores, 2 threads, cpu; python 3.12.1, keras 3.15.1, torch",
        "  2.13.0, numpy 2.4.6",
        "  incomplete: 6 rows, 4 measured, 1 failed, 1 refused without parity",
        "",
    ]


def test_a_comparison_reads_like_this():
    def benchmark(speed, *others, **settings):
        rows = [("keras", 1000.0), ("torch", 1000.0 * speed)]
        return result(*(row(name, *[value] * 7) for name, value in rows), *others, **settings)

    old = benchmark(1.5, row("a", *[1.0] * 7), row("torch-own", status=FAILED, reason="killed"))
    new = benchmark(
        1.2,
        row("torch-own", *[1.0] * 7),
        row("keras", *[2.0] * 7, part="startup", unit=SECONDS),
        environment={**MACHINE, "cores": 4},
    )
    assert text(comparison_lines(compare(old, new))) == [
        "  train, batch 32, fp32",
        "  variant                            old         new     change",
        "  keras                                                          not comparable",
        "    no ratio in both; cores 2 became 4",
        "  torch                           1.50 x      1.20 x    -20.0 %  slower",
        "  torch-own                                                      not comparable",
        "    failed before: killed",
        "",
        "  only in the old result: a (train, batch 32, fp32)",
        "  only in the new result: keras (startup, batch 32, fp32)",
        "  cores 2 became 4",
        "  fail: 1 slower, 0 faster, 0 same, 2 not comparable; a row has changed if its",
        "  median moved by more than 5 % and the intervals do not overlap",
        "",
    ]


def test_speeds_are_shown_in_their_unit():
    def benchmark(factor):
        return result(
            row("keras", *[1000.0 / factor] * 7),
            row("keras", *[2.0 * factor] * 7, part="startup", unit=SECONDS),
        )

    told = "\n".join(text(comparison_lines(compare(benchmark(1), benchmark(2)))))
    assert "keras                          1,000/s     500.0/s    -50.0 %  slower" in told
    assert "keras                          2.000 s     4.000 s    -50.0 %  slower" in told


@pytest.mark.parametrize(
    ("statuses", "style"),
    [([OK], "bold green"), ([OK, REFUSED], "bold red"), ([FAILED], "bold red")],
)
def test_the_sentence_has_the_colour_of_the_verdict(statuses, style):
    rows = [row(str(number), 1.0, status=status) for number, status in enumerate(statuses)]
    benchmark = result(*rows)
    lines = bench_lines(benchmark)
    assert styles(lines, f"{benchmark.verdict}: {len(rows)} row") == {style}


@pytest.mark.parametrize(
    ("speed", "word", "style"),
    [(0.5, "slower", "bold red"), (2.0, "faster", "bold green"), (1.0, "same", "")],
)
def test_changes_have_the_colour_of_their_status(speed, word, style):
    changed = compare(noisy(0), noisy(0, speed=speed))
    (line,) = [line for line in comparison_lines(changed) if "torch" in text([line])[0]]
    assert line[-1] == (word, style)


@pytest.mark.parametrize(("parity", "style"), [("pass", "green"), ("fail", "bold red")])
def test_parity_has_a_colour(parity, style):
    lines = bench_lines(result(row("torch", 1.0, parity=parity)))
    assert lines[2][-1] == (parity, style)
    assert bench_lines(result(row("torch", 1.0)))[2][-1] == ("-", "dim")


def test_a_baseline_with_a_long_name_stands_without_the_word_interval():
    rows = [row("keras", 1.0), row("torch", 2.0, precision="bf16")]
    rows = with_ratios(rows, "keras", across_precision=True)
    lines = text(bench_lines(BenchResult({}, rows, {})))
    heads = [line for line in lines if line.startswith("  variant")]
    assert ["x keras (fp32)" in head for head in heads] == [False, True]
    rows = with_ratios([row("x" * 90, 1.0), row("torch", 2.0)], "x" * 90)
    check(bench_lines(BenchResult({}, rows, {})))


def test_an_interrupted_benchmark_says_so_and_is_not_green():
    lines = bench_lines(replace(noisy(1), is_finished=False))
    told = " ".join(" ".join(text(lines)).split())
    assert "incomplete: 2 rows, 2 measured; the benchmark was interrupted: cells may be" in told
    assert styles(lines, "incomplete: 2 rows") == {"bold red"}
    check(lines)


def test_a_benchmark_of_nothing_has_a_report():
    empty = BenchResult({}, [], {})
    assert text(bench_lines(empty)) == ["  pass: 0 rows, 0 measured", ""]
    assert to_markdown(empty) == "Machine: -\n\n**pass: 0 rows, 0 measured**\n"
    assert len(to_csv(empty).splitlines()) == 1
    lines = comparison_lines(compare(empty, empty))
    check(lines)
    assert text(lines)[0].startswith("  inconclusive: 0 slower")


def test_a_row_without_rounds_is_shown_with_dashes():
    benchmark = result(row("torch"))
    assert text(bench_lines(benchmark))[2].split() == ["torch", "-", "-", "-", "-", "-"]
    assert "| torch | 0 | - | - | - |" in to_markdown(benchmark)
    assert to_csv(benchmark).splitlines()[1].startswith("train,torch,32,fp32,ok,images/s,0,,,,")


@pytest.mark.parametrize(("unit", "word"), [(IMAGES_PER_S, "faster"), (SECONDS, "slower")])
def test_rounds_that_were_not_steady_are_warned_of(unit, word):
    values = np.linspace(1, 1.2, 15).tolist()
    (told,) = warnings(result(row("torch", *values, unit=unit)))
    assert told == (
        f"torch (train, batch 32, fp32) became {word} by 18 % from the first round to the last: "
        "warm up longer, or stop other programs"
    )
    other = {"faster": "slower", "slower": "faster"}[word]
    assert f"became {other} by" in warnings(result(row("torch", *values[::-1], unit=unit)))[0]


def test_steady_rounds_are_not_warned_of():
    assert warnings(noisy(0)) == []
    assert warnings(result(row("torch", *np.linspace(1, 1.04, 15).tolist()))) == []  # too little
    rising = np.linspace(1, 2, 15).tolist()
    assert warnings(result(row("torch", *rising, status=FAILED, reason="killed"))) == []


@pytest.mark.parametrize(("n", "percent"), [(1, 0), (2, 50), (3, 75), (4, 88), (5, 94), (6, None)])
def test_too_few_rounds_are_warned_of(n, percent):
    told = warnings(result(row("keras", *[1.0] * n), row("torch", *[1.0] * n)))
    if percent is None:
        assert told == []
    else:
        rounds = f"{n} round{'s' if n > 1 else ''}"
        assert f"only {percent} % of intervals from {rounds} contain the true ratio" in told[0]


@pytest.mark.parametrize(
    ("share", "percent"),
    [(0.004, None), (0.049, None), (0.05, "5 %"), (0.314, "31 %"), (None, None)],
)
def test_a_busy_machine_is_warned_of(share, percent):
    found = noisy(0)
    busy = BenchResult(found.spec, found.rows, {**MACHINE, "background_cpu_share": share})
    told = " ".join(warnings(busy))
    assert (f"other processes used {percent} of the CPU" in told) == (percent is not None)


def test_loops_that_lose_on_a_processor_are_warned_of_once():
    slow = {"conv_pool": "2 ms in the place of torch's 1 on a processor (-O3)"}
    told = {**MACHINE, "slow_loops": slow}
    rows = [row(name, 1.0, environment=told) for name in ("torch", "torch-fused")]
    hostile = row("x", 1.0, environment={"slow_loops": ["a"]})
    found = [text for text in warnings(result(*rows, hostile)) if "loop" in text]
    assert found == [f"the loop conv_pool of torch_impl is not used: {slow['conv_pool']}"]


def test_after_ten_warnings_the_others_are_counted():
    rising = np.linspace(1, 2, 15).tolist()
    lines = text(bench_lines(result(*(row(f"torch-{n}", *rising) for n in range(25)))))
    assert sum("became faster" in line for line in lines) == 10
    assert "  warning: ... and 15 more" in lines


def test_a_reason_of_many_lines_is_cut_on_a_terminal_only():
    long = " ".join(f"word{n}" for n in range(200))
    benchmark = result(row("torch", status=FAILED, reason=long))
    lines = text(bench_lines(benchmark))
    check(bench_lines(benchmark))
    assert sum("word" in line for line in lines) == 6
    assert "word199" in to_csv(benchmark)
    assert "word199" in to_markdown(benchmark)


def test_what_refused_a_row_is_told_once():
    note = "gradient: conv1.kernel"
    for reason in ("it trains otherwise", f"it trains otherwise: {note}"):
        refused = result(row("torch", 1.0, status=REFUSED, reason=reason, parity_note=note))
        assert f"    it trains otherwise{':' if note in reason else ';'} {note}" in text(
            bench_lines(refused)
        )


def test_the_machine_is_one_line_with_threads_and_versions():
    told = machine_text(result(row("torch", 1.0, environment={"threads": 4})))
    assert told == (
        "AMD EPYC 7B13, 2 cores, 4 threads, cpu; "
        "python 3.12.1, keras 3.15.1, torch 2.13.0, numpy 2.4.6"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1, "1.000"),
        (12.345, "12.35"),
        (0.00123456, "0.001235"),
        (0.000999, "9.99e-04"),
        (123.456, "123.5"),
        (999.94, "999.9"),
        (999.95, "1,000"),
        (12345.6, "12,346"),
        (999_999.4, "999,999"),
        (999_999.5, "1.00e+06"),
        (1e100, "1.0e+100"),
    ],
)
def test_numbers_have_four_digits_or_all_before_the_point(value, shown):
    assert number(value) == shown
    assert len(shown) <= 8


@pytest.mark.parametrize(("value", "shown"), [(31.04, "31.0"), (640.2, "640"), (999.5, "1,000")])
def test_numbers_can_have_three_digits(value, shown):
    assert number(value, 3) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (1, "1.00"),
        (0.123, "0.12"),
        (0.0123, "0.012"),
        (0.00123, "1e-03"),
        (99.99, "99.99"),
        (99.995, "100"),
        (12345.6, "12346"),
        (99_999.5, "1e+05"),
        (1e-100, "1e-100"),
        (1e100, "1e+100"),
    ],
)
def test_ratios_have_two_decimals_or_what_fits(ratio, shown):
    assert times(ratio) == shown
    assert len(shown) <= 6


@pytest.mark.parametrize("unit", [IMAGES_PER_S, SECONDS])
def test_no_line_is_over_80_columns_whatever_the_numbers(unit):
    rows = [
        row(
            "torch-with-a-very-long-name",
            value,
            unit=unit,
            batch_size=2**63 - 1,
            peak_memory_mb=value,
            warmup_s=value,
            seconds_to_accuracy=value,
            baseline="keras",
            ratio=Ratio(value, value, value, 0.0, 1),
            parity="unchecked",
        )
        for value in EXTREMES
    ]
    benchmark = BenchResult(SPEC, rows, MACHINE)
    lines = bench_lines(benchmark)
    check(lines)
    table = [line for line in text(lines) if line.startswith("  torch-...") and "(" not in line]
    assert {len(line.split()) for line in table} == {9}  # columns stay apart
    assert len(table) == len(EXTREMES)
    to_csv(benchmark)
    to_markdown(benchmark)
    for speed in EXTREMES:
        old, new = (
            result(*(row("keras", *[v] * 7, unit=unit) for v in [value]), environment=MACHINE)
            for value in (1.0, speed)
        )
        check(comparison_lines(compare(old, new)))


def hostile(string):
    """A result with a text in every place that a file has for one."""
    environment = {
        "processor": string,
        "python": string,
        "gpu": [string],
        "versions": {string: string},
        "began": string,
        "command": string,
    }
    rows = [
        row(
            f"{string}{number}",
            *values,
            part=string,
            precision=string,
            status=status,
            reason=string,
            parity_note=string,
            baseline=string,
            ratio=Ratio(1.0, 1.0, 1.0, 0.5, 2) if status == OK else None,
            environment=environment,
        )
        for number, (status, values) in enumerate(
            [(OK, np.linspace(1, 2, 9).tolist()), (OK, [1.0] * 9), (FAILED, []), (REFUSED, [1.0])]
        )
    ]
    return BenchResult({"threads": string}, rows, environment)


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_is_text_on_a_terminal(string):
    benchmark = hostile(string)
    check(bench_lines(benchmark))
    # Of another machine, with other rows, so that every place of the report is filled.
    other = BenchResult({}, [*benchmark.rows[:2], row(string, 1.0)], {"processor": string * 2})
    check(comparison_lines(compare(benchmark, other)))
    check(comparison_lines(compare(other, benchmark)))


def tables(page):
    """The cells of every table of a page, by a parser of Markdown that knows nothing of us."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page)
    found, kinds = [], []
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        kinds.append(token.type)
        kinds += [child.type for child in token.children or []]
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            found[-1][-1].append("".join(child.content for child in after.children))
    return found, kinds


def spelled(string):
    """A text as a page shows it: on one line, with control characters spelled out."""
    return plain(" ".join(string.split())) or "-"


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_is_text_in_markdown(string):
    benchmark = hostile(string)
    page = to_markdown(benchmark)
    assert all(character.isprintable() or character == "\n" for character in page)
    (table,), kinds = tables(page)
    assert [len(cells) for cells in table] == [11, 11, 11]
    table = [[cell.replace("\N{ZERO WIDTH SPACE}", "") for cell in row] for row in table]
    for row_number in range(2):
        assert table[row_number + 1][0] == spelled(f"{string}{row_number}")
        assert table[row_number + 1][-1] == spelled(f"unchecked ({string})")
    assert table[0][5] == spelled(f"× {string}")
    assert kinds.count("table_open") == 1
    assert kinds.count("heading_open") == 1
    allowed = {"text", "inline", "strong_open", "strong_close", "text_special"}
    blocks = ("paragraph", "heading", "table", "thead", "tbody", "tr", "th", "td", "bullet_list")
    blocks = (*blocks, "list_item")
    assert set(kinds) <= allowed | {f"{name}_{end}" for name in blocks for end in ("open", "close")}
    # Ours: "failed", "refused", "warning" of the drift and of the few rounds, and the sentence.
    assert kinds.count("strong_open") == 5


def test_the_page_without_escapes_would_be_broken(monkeypatch):
    """What the test above must catch, it catches."""
    monkeypatch.setattr("parity.report.export.markdown.escaped", lambda text: text or "-")
    (table, *_), _ = tables(to_markdown(result(row("a | b", 1.0, parity_note="c"))))
    assert table[1][0] == "a"


def test_the_page_reads_like_this():
    page = to_markdown(replace(found(), environment={**MACHINE, "began": "today"}))
    assert page.splitlines()[:6] == [
        "## train, batch 32, fp32",
        "",
        "| variant | rounds | median (images/s) | q1 (images/s) | q3 (images/s) | × keras "
        "| interval | memory (MB) | warm-up (s) | to accuracy (s) | parity |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        "| keras | 3 | 8,100 | 8,050 | 8,150 | - | - | 812 | 12.1 | 31.0 | unchecked |",
        "| torch | 3 | 12,150 | 12,075 | 12,225 | 1.50 | 1.50 to 1.50 | 640 | 3.40 | - | pass |",
    ]
    assert "- **failed** torch-compiled: the child was killed (out of memory)" in page
    assert "median (s)" in page
    assert "\nMachine: AMD EPYC 7B13, 2 cores" in page
    assert "\nBegan: today\n" in page


def records(benchmark):
    return list(csv.DictReader(io.StringIO(to_csv(benchmark), newline="")))


def test_the_spreadsheet_has_a_line_for_each_row():
    lines = records(found())
    assert [line["variant"] for line in lines] == [row.variant for row in found().rows]
    assert lines[1] == {
        "part": "train",
        "variant": "torch",
        "batch_size": "32",
        "precision": "fp32",
        "status": "ok",
        "unit": "images/s",
        "rounds": "3",
        "q1": "12075",
        "median": "12150",
        "q3": "12225",
        "baseline": "keras",
        "ratio": "1.5",
        "ratio_low": "1.5",
        "ratio_high": "1.5",
        "confidence": "0.75",
        "warmup_s": "3.4",
        "seconds_to_accuracy": "",
        "peak_memory_mb": "640.2",
        "parity": "pass",
        "parity_note": "",
        "reason": "",
    }
    assert lines[2]["reason"] == "the child was killed (out of memory)"
    assert (lines[2]["median"], lines[2]["ratio"]) == ("", "")


@pytest.mark.parametrize("string", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_is_text_in_a_spreadsheet(string):
    benchmark = hostile(string)
    lines = records(benchmark)
    assert len(lines) == len(benchmark.rows) == len(to_csv(benchmark).splitlines()) - 1
    for line, item in zip(lines, benchmark.rows, strict=True):
        assert None not in line
        for cell in line.values():
            assert not cell.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r"))
            assert cell.isprintable()
        assert line["variant"].removeprefix("'") == plain(" ".join(item.variant.split()))


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "\t=", " =", "\n="])
def test_what_a_spreadsheet_would_compute_has_an_apostrophe_before_it(sign):
    (line,) = records(result(row(f"{sign}1+1", 1.0, parity_note="1+1=2")))
    assert line["variant"] == f"'{sign.strip()}1+1"
    assert line["parity_note"] == "1+1=2"  # and nothing else has one
    assert line["median"] == "1"
