"""JUnit XML: what each result becomes, by a parser that knows nothing of us, and hostile texts."""

import dataclasses
import math
import xml.etree.ElementTree as ET

import pytest
from bench_results import HOSTILE
from checked import level as check_level
from checked import result_of
from junitparser import Error, Failure, JUnitXml, Skipped
from result_samples import (
    BAD,
    CAUSE,
    GOOD,
    LEVELS,
    accepted_check,
    bench,
    broken_run,
    explained_run,
    failing_check,
    failing_run,
    incomplete_check,
    ladder,
    named,
    passing_check,
    run,
    sweep,
)

from parity.ladder.items import SKIPPED, Level
from parity.ladder.result import Found
from parity.programs.program_spec import ProgramSpec
from parity.report.export.junit import junit_xml
from parity.report.lines import plain

# Jenkins's junit-10.xsd, as far as a document has these elements: attributes that an element must
# have and may have, and its children.
COUNTS = {"tests", "failures", "errors"}
ENDS = {"skipped", "error", "failure", "system-out", "system-err"}
SCHEMA = {
    "testsuites": (set(), {"name", "time", *COUNTS}, {"testsuite"}),
    "testsuite": (
        {"name", *COUNTS},
        {"name", "time", "skipped", "id", "timestamp", "hostname", "package", "file", *COUNTS},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, {"name", "value"}, set()),
    "testcase": ({"name"}, {"name", "time", "classname", "group"}, ENDS),
    **{name: (set(), {"type", "message"}, set()) for name in ("skipped", "error", "failure")},
    "system-out": (set(), set(), set()),
}


def parsed(*results):
    """The suites of a document, whose form and whose counts are right."""
    document = junit_xml(results)
    root = ET.fromstring(document)
    assert root.tag == "testsuites"
    for element in root.iter():
        needed, allowed, children = SCHEMA[element.tag]
        assert needed <= set(element.attrib) <= allowed, element.tag
        assert {child.tag for child in element} <= children
    suites, counted = (list(JUnitXml.fromstring(document.encode())) for _ in range(2))
    assert len(suites) == len(results)
    assert [suite.get("id") for suite in root] == [str(number) for number in range(len(suites))]
    names = ("tests", "failures", "errors", "skipped")
    for suite, other in zip(suites, counted, strict=True):
        other.update_statistics()
        for name in names:
            assert getattr(suite, name) == getattr(other, name)
    assert [int(root.get(name)) for name in names[:3]] == [
        sum(getattr(suite, name) for suite in suites) for name in names[:3]
    ]
    return suites


def case(suite, name):
    (found,) = [found for found in suite if found.name == name]
    return found


def end(suite, name):
    """How a testcase ended: its one element."""
    (found,) = case(suite, name).result
    return found


def test_a_run_has_a_testcase_for_each_level():
    (suite,) = parsed(run())
    assert [found.name for found in suite] == LEVELS
    assert all(found.is_passed for found in suite)
    assert suite.name == "parity.run.dropout seed 42 float32"
    assert {found.classname for found in suite} == {suite.name}
    assert suite.time == 18.75  # 12.25 and 6.5 seconds of training


def test_a_suite_tells_what_was_run_and_with_which_versions():
    (suite,) = parsed(run())
    told = {found.name: found.value for found in suite.properties()}
    assert told == {
        **{"levels": "11 of 11 levels compared"},
        **{"verdict": "pass", "mode": "seeded", "dtype": "float32", "scenario": "dropout"},
        **{"seed": "42", "epochs": "20", "batch_size": "32", "data": "embedded", "device": "cpu"},
        **{"threads": "1", "keras.python": "3.12.1", "keras.keras": "3.15.1"},
        **{"keras.numpy": "2.4.6", "torch.python": "3.12.1", "torch.torch": "2.13.0"},
        **{"torch.numpy": "2.4.6"},
    }


def test_a_failure_tells_the_first_divergence_the_values_and_what_is_above_is_skipped():
    (suite,) = parsed(failing_run())
    failure = end(suite, "trajectory")
    assert isinstance(failure, Failure)
    assert failure.message == (
        "trajectory: dense1.kernel (epoch 2, step 20) at [3, 4]: keras 1.5, torch 2.0, "
        "differs by 5.0e-01 (rel), allowed 1.0e-12"
    )
    assert failure.text.splitlines()[:3] == [
        "  first divergence  trajectory: dense1.kernel (epoch 2, step 20) at [3, 4]",
        "    keras 1.5",
        "    torch 2.0",
    ]
    for name in ("schedule", "behaviour"):
        assert isinstance(end(suite, name), Skipped)
        assert end(suite, name).message == "not compared: trajectory failed"


def test_a_run_that_fails_tells_its_cause_and_what_only_follows():
    (suite,) = parsed(explained_run())
    assert suite.name == "parity.run.dropout seed 42 float32"
    failed = {name: end(suite, name).type for name in LEVELS if not case(suite, name).is_passed}
    assert failed == {"forward": "divergence", "trajectory": "inherited", "schedule": "inherited"}
    failure = end(suite, "forward")
    assert "; cause A5 symmetric-same-padding: padding 'same'" in failure.message
    assert "where conv1 in Keras, module `features.0` in the port" in " ".join(failure.text.split())


def test_a_program_is_a_run_with_its_factories():
    spec = ProgramSpec(program="mine", keras="app:build", torch="port:build", epochs=3).told()
    (suite,) = parsed(dataclasses.replace(explained_run(), spec=spec))
    assert suite.name == "parity.run.mine seed 42 float64"
    told = {found.name: found.value for found in suite.properties()}
    assert (told["program"], told["keras"], told["torch"]) == ("mine", "app:build", "port:build")
    assert told["epochs"] == "3"


def test_a_failure_of_a_check_tells_cause_and_fix():
    (suite,) = parsed(failing_check())
    failure = end(suite, "forward")
    assert failure.message.endswith(
        "differs by 7.5e-01 (rel), allowed 1.0e-12; 3 of 4 above; cause A5 symmetric-same-padding: "
        "padding 'same' with a stride is not symmetric, fix: "
        "torch_impl.layers.Conv2D(padding='same')"
    )
    text = " ".join(failure.text.split())
    for part in (
        "keras 1.5 torch -2.5",
        "where conv1 in Keras, module `features.0` in the port",
        "line net.py:7",
        "cause A5 padding 'same' with a stride is not symmetric (99 %)",
        "fix torch_impl.layers.Conv2D(padding='same')",
        "C1 epsilon: 0.001 in norm, 1e-05 in features.1, also in 1 more",
    ):
        assert part in text
    assert end(suite, "behaviour").message == "a check trains a few steps"


def test_each_level_of_a_check_lists_its_own_divergences():
    levels = (
        check_level("init", worst=0.5),
        check_level("forward", worst=0.25),
        check_level("loss", worst=0.125, item="loss"),
    )
    init, forward, _ = (Found(each.id, each.items[0]) for each in levels)
    named = dataclasses.replace(forward, causes=(CAUSE,))
    other = dataclasses.replace(forward, causes=({**CAUSE, "id": "C1", "fix": "eps=1e-3"},))
    check = dataclasses.replace(
        result_of(*levels), divergences=(init, named, other), proven=(("loss", ("loss",)),)
    )
    (suite,) = parsed(check)
    assert end(suite, "init").type == "divergence"
    assert "cause" not in end(suite, "init").message
    message, text = end(suite, "forward").message, end(suite, "forward").text
    assert message.count("; cause ") == 2
    assert message.endswith("fix: eps=1e-3")
    assert "  1  forward: conv.kernel" in text
    assert "    fix   eps=1e-3" in text
    follows = end(suite, "loss")
    assert isinstance(follows, Failure)
    assert follows.type == "inherited"
    assert follows.message.startswith("loss differs only because of other divergences: loss: loss")


def test_what_could_not_be_compared_is_an_error_that_says_what_to_do():
    (suite,) = parsed(incomplete_check())
    error = end(suite, "noise")
    assert isinstance(error, Error)
    assert error.type == "incomplete"
    assert error.message == "noise could not be compared: noise draws at random; replay noise"
    assert error.text.splitlines()[-1] == "do: replay noise"
    assert (suite.failures, suite.errors) == (0, 1)


def test_what_is_accepted_passes_and_is_told():
    (suite,) = parsed(accepted_check())
    assert (suite.failures, suite.errors) == (0, 0)
    assert case(suite, "forward").system_out == (
        "accepted: A5 symmetric-same-padding: padding 'same' with a stride is not symmetric"
    )


def test_a_check_tells_its_factories_and_the_seconds_of_both_halves():
    check = passing_check()
    environment = {half: {"wall_s": {"check": 2.5, "import": 9.0}} for half in ("keras", "torch")}
    check = dataclasses.replace(check, environment=environment)
    (suite,) = parsed(check)
    assert suite.name == "parity.check.model.py:build seed 0 float64"
    assert {found.classname for found in suite} == {
        "parity.check.model_py:build seed 0 float64"  # of one package, whatever the file is called
    }
    assert suite.time == 5
    told = {found.name: found.value for found in suite.properties()}
    assert told["torch"] == "model.py:build"
    assert (told["mode"], told["dtype"]) == ("replayed", "float64")


def test_a_run_without_result_is_an_error_with_the_end_of_its_log():
    (suite,) = parsed(broken_run("keras was killed\n  last line", "torch hung"))
    error = end(suite, "run")
    assert isinstance(error, Error)
    assert error.message == "keras was killed"
    assert error.text == "keras was killed\n  last line\ntorch hung"


def test_a_skipped_level_says_why():
    (suite,) = parsed(run([Level("trajectory", SKIPPED, "the rates differ")]))
    assert end(suite, "trajectory").message == "the rates differ"


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0, "fast", None])
def test_a_time_that_is_none_is_left_out(seconds):
    document = junit_xml([run(wall_s={"keras": seconds, "torch": seconds})])
    assert "time=" not in document


def test_a_sweep_has_a_testcase_for_each_verdict_comparison_and_missing_run():
    verdicts = ["equivalent", "different", "inconclusive"]
    (suite,) = parsed(sweep("incomplete", verdicts=verdicts, missing=["killed\nlog", "hung"]))
    assert [(found.name, found.classname.partition("t.")[2]) for found in suite] == [
        ("verdict", "leak"),
        *((f"quantity {number}", "leak") for number in range(3)),
        *((f"seed {number} torch", "leak") for number in range(2)),
    ]
    assert case(suite, "verdict").is_passed
    assert case(suite, "quantity 0").is_passed
    assert end(suite, "quantity 1").message == (
        "different: keras 0.9, torch 0.8, keras - torch in [0.25, 0.75], margin 0.015; 10 seeds, "
        "p 0.002"
    )
    assert end(suite, "quantity 2").message.endswith("10 seeds, needs about 25")
    for name, message, text in (
        ("seed 0 torch", "killed", "killed\nlog"),
        ("seed 1 torch", "hung", "hung"),
    ):
        error = end(suite, name)
        assert isinstance(error, Error)
        assert (error.message, error.text) == (message, text)


def test_verdicts_that_differ_are_a_failure():
    (suite,) = parsed(sweep("fail", agrees=False))
    message = "keras overfit 10; torch good_fit 10; of 10 seeds, 0 agree"
    assert end(suite, "verdict").message == message


def test_a_benchmark_has_a_testcase_for_each_row():
    (suite,) = parsed(bench(whole=False))
    assert suite.name == "parity.bench.dropout"
    assert [found.name for found in suite] == ["keras", "torch", "torch-compiled", "torch-own"]
    assert {found.classname for found in suite} == {f"{suite.name}.train batch 32 fp32"}
    told = "1,500 images/s (1,500 to 1,500), 1.50 x keras (1.50 to 1.50)"
    assert case(suite, "torch").system_out == told
    assert isinstance(end(suite, "torch-compiled"), Error)
    assert end(suite, "torch-compiled").message == "the child was killed (out of memory)"
    assert isinstance(end(suite, "torch-own"), Failure)
    assert end(suite, "torch-own").message == "another accuracy"
    told = {found.name: found.value for found in suite.properties()}
    assert (told["processor"], told["keras"]) == ("AMD EPYC 7B13", "3.15.1")


def test_a_diagnosis_that_is_no_good_fit_is_a_failure_with_its_causes():
    (suite,) = parsed(BAD["diagnosis"])
    failure = end(suite, "verdict")
    assert failure.message.startswith("overfit: training is better")
    assert "; try: " in failure.text


@pytest.mark.parametrize("result", GOOD.values(), ids=GOOD)
def test_what_is_good_has_no_failure(result):
    (suite,) = parsed(result)
    assert suite.tests >= 1
    assert suite.failures + suite.errors == 0


@pytest.mark.parametrize("result", BAD.values(), ids=BAD)
def test_what_is_not_good_has_one(result):
    (suite,) = parsed(result)
    assert suite.failures + suite.errors >= 1
    ends = [found for each in suite for found in each.result]
    assert all(found.message for found in ends if not isinstance(found, Skipped))


def test_several_results_are_suites_in_their_order():
    results = [*GOOD.values(), *BAD.values()]
    names = [suite.name for suite in parsed(*results)]
    assert names == [parsed(result)[0].name for result in results]


def test_no_result_is_a_document_too():
    assert parsed() == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_spelled_out(text):
    results = named(text)
    parsed(*results)
    document = junit_xml(results)
    assert all(character.isprintable() or character == "\n" for character in document)
    suites = parsed(*results)
    names = {found.name for suite in suites for found in suite}
    assert plain(text.rstrip()) in names  # of the row of the benchmark
    assert f"parity.run.{plain(text)} seed 42 float32" in {suite.name for suite in suites}


def test_what_xml_forbids_is_spelled_out():
    text = "".join(map(chr, range(32))) + "\x7f\x85\ud800\udfff\ufffe\uffff]]><![CDATA["
    suites = parsed(*named(text))
    assert any(plain(text) in suite.name for suite in suites)


def test_a_very_long_text_is_cut():
    assert len(junit_xml(named("x" * 20_000))) < 200_000
    assert len(junit_xml([broken_run("line\n" * 10**4)])) < 10_000


PATHS = [
    "/home/me/project/net.py",
    "C:\\Users\\me\\project\\net.py",
    "file:///home/me/project/net.py",
    "\\\\server\\share\\net.py",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_is_absolute(path):
    results = [*named(f"{path}:build"), broken_run(f'  File "{path}", line 3\n{path}: killed')]
    document = junit_xml(results)
    for part in ("home", "Users", "project", "share"):
        assert part not in document
    assert "net.py:build" in document
    assert "File &quot;net.py&quot;, line 3" in document or 'File "net.py", line 3' in document


def test_the_same_results_give_the_same_document():
    assert junit_xml([run(ladder())]) == junit_xml([run(ladder())])
