"""The corpus is whole, its format is read strictly, and its command counts what it says."""

import ast
import json
from argparse import Namespace

import pytest
from corpus_cases import ANY, FOLDER, cases, changed, read

from benchmarks.accuracy import corpus
from benchmarks.accuracy.corpus import (
    PLACES,
    Port,
    Row,
    in_parts,
    main,
    ran,
    selected,
    words,
)
from parity.divergences.registry import REGISTRY
from parity.errors import InputError
from parity.ladder.items import LEVEL_IDS

CASES = list(cases())
PORTS = {  # right and wrong
    "attention": (23, 34),
    "coded": (5, 5),
    "cubes": (18, 8),
    "fresh": (78, 145),
    "habits": (17, 17),
    "held_out": (78, 78),
    "idioms": (115, 115),
    "images": (30, 30),
    "lasts": (4, 5),
    "layer_kinds": (41, 29),
    "loops": (92, 215),
    "losses": (18, 26),
    "masks": (15, 23),
    "metrics": (16, 23),
    "migrated": (19, 57),
    "norms": (2, 5),
    "odd": (48, 23),
    "other_kinds": (30, 42),
    "own_steps": (27, 83),
    "pairs": (151, 137),
    "programs": (12, 53),
    "random_images": (21, 20),
    "strangers": (24, 72),
    "ways": (58, 25),
}
CASE = """# A net

Of one layer.

## keras

```python
def build():
    return 1
```

## right

```python
def build():
    return [1, 2]
```

## wrong turned

The other order.

- expected: forward A26 N1
- wanted: the order

```diff
-    return [1, 2]
+    return [2, 1]
```

## file sizes.json

```json
[]
```
"""


@pytest.fixture
def net(tmp_path):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "net.md").write_text(CASE, encoding="utf-8")
    return read(tmp_path / "nets" / "net.md")


def test_a_case_is_read_and_written(net, tmp_path):
    right, turned = net.ports
    assert (net.key, net.title, net.words) == ("nets/net", "A net", "Of one layer.")
    assert (right.is_right, right.name, right.expected) == (True, "right", ())
    assert (turned.is_right, turned.name) == (False, "turned")
    assert (turned.words, turned.wanted) == ("The other order.", "the order")
    assert turned.expected == (("forward", ("A26", "N1")),)
    net.write(tmp_path / "out")
    files = {p.name: p.read_text("utf-8") for p in (tmp_path / "out" / "nets" / "net").iterdir()}
    assert files == {
        "net_keras.py": "def build():\n    return 1\n",
        "net_right.py": "def build():\n    return [1, 2]\n",
        "net_turned.py": "def build():\n    return [2, 1]\n",
        "sizes.json": "[]\n",
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("# A net", "A net", "line 1: expected '# '"),
        ("## keras", "## kers", "line 5: '## kers': expected keras, right, wrong NAME"),
        (
            "## wrong turned",
            "## right turned",
            "line 24: key 'wanted': expected one of of, expected",
        ),
        ("- expected: forward A26 N1\n", "", "expected a line '- expected: any'"),
        ("- wanted", "- wnted", "line 24: key 'wnted'"),
        ("-    return [1, 2]", "-    return [1]", "is 0 times in the right port"),
        ("-    return [1, 2]", "?    return [1, 2]", "in a diff: expected ' ', '+', '-'"),
        ("- wanted: the order", "- of: left", "a diff of 'left'; right ports above: ['right']"),
        ("## file sizes.json", "## file turned", "a second 'turned'"),
        ("## right", "## wrong first", "expected a line '- expected"),
        ("[]\n```\n", "[]\n", "ends within a section"),
        ("```json", "```", "expected one fenced block"),
        ("```diff", "```text", "expected one fenced block of python or diff"),
        ("## keras\n", "## keras\n\n- command: fit\n", "command 'fit': expected check or run"),
    ],
)
def test_a_file_that_breaks_the_format_is_refused_in_a_line(net, tmp_path, old, new, told):
    path = tmp_path / "nets" / "net.md"
    assert old in CASE
    path.write_text(CASE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}, line ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_hunk_has_to_stand_once():
    assert changed("a\nb\na\nc\n", "-b\n+d\n@@\n a\n-c\n") == "a\nd\na\n"
    with pytest.raises(InputError, match="2 times"):
        changed("a\nb\na\nc\n", "-a\n+b\n")


def test_every_family_has_its_ports():
    found = {}
    for case in CASES:
        right = sum(port.is_right for port in case.ports)
        counts = found.get(case.family, (0, 0))
        found[case.family] = (counts[0] + right, counts[1] + len(case.ports) - right)
    assert found == PORTS


def test_every_file_of_the_corpus_is_a_case():
    files = {p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*") if p.is_file()}
    assert files == {"README.md", *(f"{case.key}.md" for case in CASES)}


def test_what_is_expected_are_levels_and_causes():
    for case in CASES:
        for level, causes in (pair for port in case.ports for pair in port.expected):
            assert level in {ANY, *LEVEL_IDS}, case.key
            assert set(causes) <= set(REGISTRY), case.key
    assert set(REGISTRY) >= PLACES


def test_every_module_has_a_factory_and_imports_only_its_framework():
    for case in CASES:
        sides = [(case.keras, {"torch", "torch_impl"})]
        sides += [(port.text, {"keras", "keras_impl", "tensorflow"}) for port in case.ports]
        for text, others in sides:
            body = ast.parse(text).body
            assert any(getattr(node, "name", "") == "build" for node in body), case.key
            names = {a.name for node in body if isinstance(node, ast.Import) for a in node.names}
            names |= {node.module for node in body if isinstance(node, ast.ImportFrom)}
            assert not {name.partition(".")[0] for name in names} & others, case.key
            assert not any(name.startswith(("benchmarks", "tests")) for name in names), case.key


def test_no_two_ports_of_a_case_are_the_same():
    for case in CASES:
        assert len({port.text for port in case.ports}) == len(case.ports), case.key


RIGHT = Port("right", True, "", "")
TRULY = Port("right", True, "", "", ((ANY, ("C3",)),))
EPSILON = Port("epsilon", False, "Another epsilon", "", (("forward", ("A13",)),))
OPEN = Port("epsilon", False, "", "", ((ANY, ()),))
BOTH = Port("both", False, "", "", (("forward", ("A13",)), ("loss", ("D4", "D1"))))


def row(verdict, *found):
    """(level, cause or "", confidence) of each divergence."""
    return Row(
        verdict, tuple((level, "conv", ((id_, sure),) if id_ else ()) for level, id_, sure in found)
    )


@pytest.mark.parametrize(
    ("port", "found", "expected"),
    [
        (RIGHT, row("pass"), "right pass"),
        (RIGHT, row("fail", ("forward", "A13", 1.0)), "right alarm"),
        (RIGHT, row("incomplete"), "right alarm"),
        (RIGHT, row("error"), "right alarm"),
        (TRULY, row("fail", ("forward", "C3", 1.0)), "right truly"),
        (TRULY, row("fail", ("forward", "C1", 1.0)), "right alarm"),
        (EPSILON, row("pass"), "wrong foretold known"),
        (EPSILON, row("error"), "wrong foretold known"),
        (
            EPSILON,
            row("fail", ("forward", "A13", 0.9)),
            "wrong foretold known caught placed first named alone",
        ),
        (
            EPSILON,
            row("fail", ("loss", "A16", 0.9), ("forward", "A13", 0.5)),
            "wrong foretold known caught",
        ),
        (OPEN, row("fail", ("forward", "A16", 0.9)), "wrong caught named alone"),
        (OPEN, row("fail", ("forward", "N1", 0.9), ("loss", "", 0)), "wrong caught"),
        (
            BOTH,
            row("fail", ("forward", "A13", 0.9), ("loss", "D1", 0.9)),
            "wrong foretold known caught placed first named",
        ),
        (
            BOTH,
            row("fail", ("forward", "A13", 0.9), ("schedule", "D1", 0.1)),
            "wrong foretold known caught named",
        ),
    ],
)
def test_what_counts_of_a_port(port, found, expected):
    assert words(port, found) == set(expected.split())


def test_ports_are_selected_by_family_case_and_port():
    [(case, port)] = selected(["pairs/adam/adam_stock"])
    assert (case.key, port.name) == ("pairs/adam", "adam_stock")
    assert {port.name for _, port in selected(["pairs/sgd"])} == {"sgd", "sgd_keras", "rate_other"}
    assert len(selected(["metrics"])) == sum(PORTS["metrics"])
    assert len(selected([])) == sum(map(sum, PORTS.values()))
    with pytest.raises(InputError, match=r"pears: expected FAMILY.* families attention, coded"):
        selected(["pears", "pairs"])


def test_the_ports_of_a_case_are_checked_together():
    parts = [*in_parts(selected(["pairs"]))]
    keys = [{case.key for case, _ in part} for part in parts]
    assert sum(map(len, parts)) == sum(PORTS["pairs"])
    assert sum(map(len, keys)) == len(set.union(*keys))
    assert all(len(part) < 60 for part in parts)


def checks(monkeypatch):
    """Calls of the check, which finds all ports right."""
    calls = []

    def checked(ports, settings, workers):
        calls.append([(case.key, port.name, settings["seed"]) for case, port in ports])
        return [row("pass") for _ in ports]

    monkeypatch.setattr(corpus, "checked", checked)
    return calls


def test_a_run_goes_on_where_its_file_ends(monkeypatch, tmp_path):
    calls, out = checks(monkeypatch), tmp_path / "rows.json"
    given = Namespace(out=out, dtype="float64", steps=None, workers=1)
    ports = selected(["pairs/mse"])
    names = [port.name for _, port in ports]
    first = [*ran(ports, range(1), given)]
    again = [*ran(ports, range(2), given)]
    assert calls == [
        [("pairs/mse", name, 0) for name in names],
        [("pairs/mse", port.name, 1) for _, port in ports if port.is_right],
    ]
    assert [found for *_, found in first] == [row("pass")] * len(names)
    assert len(again) == len(names) + sum(port.is_right for _, port in ports)
    assert [*tmp_path.iterdir()] == [out]


def test_the_exit_code_tells_what_was_found(monkeypatch, tmp_path, capsys):
    checks(monkeypatch)
    assert main(["pairs/mse_one", "--kind", "right"]) == 0
    assert main(["pairs/mse_one"]) == 1
    assert "pairs: 1 checks of right ports, 0 alarms; 0 of 1 wrong" in capsys.readouterr().out
    monkeypatch.setattr(corpus, "checked", lambda ports, *_: [Row("error", why="x")] * len(ports))
    assert main(["pairs/mse_one"]) == 3
    assert main(["pears"]) == 2
    (tmp_path / "rows.json").write_text(json.dumps({"format": "other"}), encoding="utf-8")
    assert main(["pairs/mse_one", "--out", str(tmp_path / "rows.json")]) == 2
    told = capsys.readouterr().err
    assert "expected results of this command" in told
    assert "Traceback" not in told


def test_a_factory_that_cannot_be_used_is_an_error_of_its_port_alone(monkeypatch, net):
    """One that is refused before a framework starts does not stop the others."""

    def check_all(specs, options):
        if any("turned" in spec.torch for spec in specs):
            raise InputError("no module")
        return []

    monkeypatch.setattr(corpus, "check_all", check_all)
    rows = corpus.checked([(net, net.ports[1])], {"seed": 0})
    assert [(row.verdict, row.why) for row in rows] == [("error", "no module")]
