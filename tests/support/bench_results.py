"""Results of benchmarks that several test files share."""

import numpy as np

from parity.bench.result import BenchResult, Row
from parity.bench.statistics import with_ratios
from parity.programs.bench_spec import BenchSpec

MACHINE = {
    "python": "3.12.1",
    "processor": "AMD EPYC 7B13",
    "cores": 2,
    "versions": {"numpy": "2.4.6", "keras": "3.15.1", "torch": "2.13.0"},
}
SPEC = BenchSpec().to_dict()

# What a terminal, a page or a spreadsheet could take for something else than text.
HOSTILE = {
    "an escape code": "\x1b[31mred\x1b[0m",
    "a bell": "ring\a",
    "an override of direction": "a\N{RIGHT-TO-LEFT OVERRIDE}b",
    "Hebrew": "שלום " * 30,
    "a very long word": "x" * 150,
    "very many words": "word " * 30,
    "lines": "one\ntwo\r\nthree\rfour\u2028five\x0bsix\x85seven",
    "a row of a table": "a | b |\n| --- | --- |\n| c | d |",
    "an escaped pipe": "a \\| b \\\\| c \\",
    "markup": "[red]*a* _b_ `c` ~~d~~ <b>e</b> &amp; ![f](g) <!-- h -->",
    "a heading": "# heading #",
    "a list": "- item",
    "a rule": "---",
    "quotes": "say \"a\", 'b', c;d",
    "a formula": '=HYPERLINK("http://example.com")',
    "a command": "@SUM(1+9)*cmd|' /C calc'!A0",
    "a sum": "+1+1",
    "a wide formula": "＝1＋1",
    "a tab and a formula": "\t=1+1",
    "half a character": "a\udc80b",
    "a space": " ",
}


def row(variant, *values, part="train", batch_size=32, precision="fp32", **others):
    return Row(
        part=part,
        variant=variant,
        batch_size=batch_size,
        precision=precision,
        values=values,
        **others,
    )


def result(*rows, spec=SPEC, environment=MACHINE, baseline="keras"):
    """A result whose rows are compared with a baseline."""
    return BenchResult(spec, with_ratios(rows, baseline), environment)


def noisy(seed, *, speed=1.0, n=15, noise=0.03, keras=1000.0, **others):
    """Keras and a port that is `speed` times as fast, in n rounds with noise."""
    noises = np.exp(noise * np.random.default_rng(seed).standard_normal((2, n)))
    values = {"keras": keras * noises[0], "torch": keras * speed * noises[1]}
    return result(*(row(name, *found.tolist()) for name, found in values.items()), **others)
