"""Names and texts of a stranger's file, at every place where they come into a package."""

import ast
import contextlib
import copy
import sys

import pytest
from named_facts import facts_of

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


@pytest.fixture(scope="module", params=[False, True], ids=["with_parts", "plain"])
def kind(request, tmp_path_factory):
    """A kind of package, its folder, and what its files do with names that harm nobody."""
    out = tmp_path_factory.mktemp("files") / "port"
    return request.param, out, shapes_of(facts_of(output="kind"), out, plain=request.param)


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_a_name_changes_nothing_of_what_a_package_does(payload, kind):
    """At five places at once, each with a name of its own: nothing runs, and no code is left."""
    plain, out, expected = kind
    names = {place: payload + "1" * number for number, place in enumerate(PLACES)}
    assert shapes_of(facts_of(**names), out, plain=plain) == expected
    assert not hasattr(sys, "has_run")


def leaves(value, path=()):
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))


TEXTS = list(leaves(facts_of(output="kind")[0]))


@pytest.mark.parametrize("payload", [f'"); {RUN}; ("', RUN], ids=["text", "code"])
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: ".".join(map(str, path))[-40:])
def test_any_text_of_a_config_is_a_literal_or_refused(path, payload, kind):
    plain, out, _ = kind
    facts, weights = copy.deepcopy(facts_of(output="kind"))
    place = facts
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = payload
    with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
        shapes_of((facts, weights), out, plain=plain)  # `write_port` makes one line of any error
    assert not hasattr(sys, "has_run")


def test_the_test_sees_a_name_that_is_pasted(kind, monkeypatch):
    """The seeded fault: a key of the outputs as it was written before."""
    plain, out, _ = kind
    right = package.model_text
    pasted = '{"" + str(1) + "": '
    monkeypatch.setattr(
        package, "model_text", lambda *given: right(*given).replace('{"kind": ', pasted)
    )
    if plain:
        monkeypatch.setattr("parity.ports.plain_package.model_text", package.model_text)
    with pytest.raises(ValueError, match=r"would have .*str\(1\).*which no port has"):
        shapes_of(facts_of(output="kind"), out, plain=plain)


@pytest.mark.parametrize("name", [5, ["a"], "x" * 1001, "a/b"])
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
