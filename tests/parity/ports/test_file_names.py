"""Names and texts of a stranger's file, at every place where they come into a package."""

import ast
import contextlib
import copy
import sys

import pytest
from named_facts import facts_of
from rows import each_row

from parity.ports import package
from parity.ports.file_names import with_plain_names
from parity.ports.package import write_package

RUN = '__import__("sys").__dict__.__setitem__("has_run", 1)'
PLACES = ("given", "first", "last", "model", "output")
PAYLOADS = (
    *(f'k" + str({RUN}) + "b', f"k' + str({RUN}) + 'b", f'"); {RUN}; ("', f'f"{{{RUN}}}"', RUN),
    *(f"\n{RUN}\n", f"\r{RUN}\r", f'a"""\n{RUN}\n"""', f"a\u2028{RUN}", f"{RUN} #", f"\x0c{RUN}"),
    *("a\\", 'a\\"', "\\N{BULLET}", "\\x", "\0", "\ud800", "\u202ea", "\ufeffx", "\x1b[31m"),
    *(
        '"""',
        "'''",
        '"\n',
        "#",
        "((((",
        ")]}",
        "a for b in c",
        "x ** y",
        "a, b = c",
        "{0}{self}{v1}",
    ),
    *("{}", "%s", "__class__", "__dense", "0_0_trend", "x²", "ｃonv", "e\u0301", "½", "a.b.c"),
    *("", " ", "_", "___", "0", "import", "match", "eval", "None", "self", "x", "mask", "gi_frame"),
    *("path", "port", "kerasSeeds", "torch", "nn", "F", "<b>", "[a](b)", "ß" * 99, "x" * 990),
)


class _Blank(ast.NodeTransformer):
    """Replaces names and texts, so that what is left is what a source does."""

    def generic_visit(self, node):
        for field, value in ast.iter_fields(node):
            if isinstance(value, str):
                setattr(node, field, "")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
        return super().generic_visit(node)


def shapes_of(given, out, *, plain):
    """What the files of a package do, whatever they call it."""
    out.mkdir(exist_ok=True)
    write_package(*given, out, plain=plain)
    return {
        file.name: ast.dump(_Blank().visit(ast.parse(file.read_bytes())))
        for file in out.glob("*.py")
    }


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Both kinds of package: what is plain, a folder, what files do with names that harm nobody."""
    made = []
    for plain in (False, True):
        out = tmp_path_factory.mktemp("files") / "port"
        made.append((plain, out, shapes_of(facts_of(output="kind"), out, plain=plain)))
    return made


def test_a_name_changes_nothing_of_what_a_package_does(kinds):
    """At five places at once, each with a name of its own: nothing runs, and no code is left.

    Each name is at two places, once in each kind: names are made plain before both in one way.
    """
    for plain, out, expected in kinds:
        names = PAYLOADS[plain:] + PAYLOADS[:plain]
        for first in range(0, len(names), len(PLACES)):
            given = dict(zip(PLACES, names[first:], strict=False))
            assert (
                shapes_of(facts_of(**{"output": "kind"} | given), out, plain=plain) == expected
            ), ascii(given)
            assert not hasattr(sys, "has_run"), ascii(given)


def leaves(value, path=()):
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))


TEXTS = list(leaves(facts_of(output="kind")[0]))


def test_any_text_of_a_config_is_a_literal_or_refused(kinds):
    """Each place with one of two texts, and each text in both kinds."""
    payloads = (f'"); {RUN}; ("', RUN)
    for number, path in enumerate(TEXTS):
        turn = number % 2
        plain, out, _ = kinds[number // 2 % 2]
        facts, weights = copy.deepcopy(facts_of(output="kind"))
        place = facts
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = payloads[turn]
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
            shapes_of((facts, weights), out, plain=plain)  # `write_port` makes one line of an error
        assert not hasattr(sys, "has_run"), path


def test_a_name_that_is_pasted_is_refused(kinds, monkeypatch):
    """The seeded fault: a key of the outputs as it was written before."""
    right = package.model_text
    pasted = '{"" + str(1) + "": '

    def wrong(*given):
        return right(*given).replace('{"kind": ', pasted)

    monkeypatch.setattr(package, "model_text", wrong)
    monkeypatch.setattr("parity.ports.plain_package.model_text", wrong)
    for plain, out, _ in kinds:
        with pytest.raises(ValueError, match=r"would have .*str\(1\).*which no port has"):
            shapes_of(facts_of(output="kind"), out, plain=plain)


@each_row("name", [5, ["a"], "x" * 1001, "a/b"])
def test_what_is_no_name_is_refused(name, tmp_path):
    facts, weights = facts_of()
    facts["program"]["model"]["config"]["layers"][1]["config"]["name"] = name
    with pytest.raises(ValueError, match=r"has (the|a) name"):
        write_package(facts, weights, tmp_path)


def test_a_layer_with_a_full_stop_is_told_from_its_neighbours():
    facts, weights = facts_of(first="con.v", last="con")
    found = with_plain_names(facts, weights)
    assert list(found.facts["weights"]) == ["con_v.kernel", "con_v.bias", "con.kernel", "con.bias"]
    assert list(found.weights) == ["con_v/kernel", "con_v/bias", "con/kernel", "con/bias"]
    assert found.of_keras["con_v.bias"] == "con.v.bias"
    assert found.facts["program"]["draws"] == [["con_v/kernel", 0], ["con/kernel", 1]]
    both = with_plain_names(*facts_of(first="con.v", last="con_v"))
    assert list(both.facts["weights"])[1:3] == ["con_v2.bias", "con_v.kernel"]


def test_plain_names_stay():
    facts, weights = facts_of(given="a b", first="1_conv", last="größe", model="net-1")
    found = with_plain_names(facts, weights)
    assert found.facts["program"] == facts["program"]
    assert found.weights.keys() == weights.keys()
