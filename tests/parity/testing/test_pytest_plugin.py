"""The plugin in projects of its users: real runs of pytest, and real models where one is needed."""

import fnmatch
import inspect
import itertools
import os
import re
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import check_pairs
import pytest
from checked import level, result_of
from pytest_calls import pytest_called

import keras_torch_parity
from parity import assert_parity

# Loaded before any run in this process, which forgets what it loads itself.
from parity.runs import check as runs_check
from parity.traces.bundle import pack

pytest_plugins = ["pytester"]

# A project whose code lies in `src`, which only its pytest.ini tells pytest.
FILES = {
    "pytest.ini": """
        [pytest]
        pythonpath = src
        addopts = --strict-markers -p no:cacheprovider
        """,
    "src/sizes.py": "NUM_FEATURES = 5",
    "tests/keras_model.py": """
        import keras
        from sizes import NUM_FEATURES

        def build():
            inputs = keras.Input((NUM_FEATURES,))
            x = keras.layers.Dense(3, activation="tanh", name="hidden")(inputs)
            model = keras.Model(inputs, keras.layers.Dense(2, name="last")(x))
            model.compile(keras.optimizers.SGD(0.1), loss="mse")
            return model
        """,
    "tests/torch_model.py": """
        import torch
        from sizes import NUM_FEATURES
        from torch import nn
        from torch_impl import Port

        def port(activation, scale=1.0):
            module = nn.Sequential(nn.Linear(NUM_FEATURES, 3), activation, nn.Linear(3, 2))
            for layer in (module[0], module[2]):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
            return Port(
                module,
                loss=lambda y, target: scale * nn.functional.mse_loss(y, target),
                optimizer=torch.optim.SGD(module.parameters(), lr=0.1),
            )

        def build():
            return port(nn.Tanh())

        def twice():
            return port(nn.Tanh(), scale=2.0)
        """,
    "tests/test_ports.py": """
        import pytest
        from parity import assert_parity
        from torch_model import port

        KERAS = "keras_model.py:build"

        def relu():
            from torch import nn
            return port(nn.ReLU())

        def test_right(parity_check):
            result = parity_check(keras=KERAS, torch="torch_model:build")
            assert result.verdict == "pass"

        def test_wrong():
            assert_parity(keras=KERAS, torch=relu)
        """,
    "tests/nested/__init__.py": "",
    "tests/nested/scale.py": "LOSS = 1.0",
    "tests/nested/test_package.py": """
        from parity import assert_parity
        from torch_model import nn, port
        from .scale import LOSS

        def mine():
            return port(nn.Tanh(), scale=LOSS)

        def test_own_factory_of_a_package():
            assert_parity(keras="../keras_model.py:build", torch=mine)
        """,
    "tests/test_more.py": """
        import pytest
        from torch_model import build, twice

        @pytest.mark.parity(keras="keras_model.py:build", torch=twice)
        class TestMarked:
            def test_levels(self, parity_check):
                parity_check(levels=["structure", "forward"])
                with pytest.raises(AssertionError, match="^no parity: loss: .*: D12 "):
                    parity_check()

            def test_other_steps(self, parity_check):
                parity_check(torch=build, steps=9)
        """,
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def run_pytest(folder, *arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "keras_torch_parity", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    ).stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    write(folder, FILES)
    return folder


@pytest.fixture(scope="module")
def live(project, warm_halves):
    """Both halves run, and the bundle is kept."""
    arguments = [
        *("tests/test_ports.py", "-k", "right", "--parity-record", "bundles"),
        *("--parity-out", "kept", "--junitxml", "live.xml"),
    ]
    _, out, _ = pytest_called(["-p", "keras_torch_parity", *arguments], project)
    return out


@pytest.fixture(scope="module")
def offline(project, live, tmp_path_factory):
    """The bundle stands for Keras where TensorFlow cannot be imported: from another folder, in two
    workers, with the other way of importing tests."""
    missing = tmp_path_factory.mktemp("missing")
    write(missing, {"tensorflow.py": "raise ImportError('there is no TensorFlow here')"})
    arguments = [
        *(project / "tests", "--rootdir", project, "-c", project / "pytest.ini", "-n2"),
        *("--import-mode", "importlib", "-o", "pythonpath=src tests", "-k", "not right"),
        *("--parity-against", project / "bundles", "--junitxml", project / "offline.xml"),
    ]
    return run_pytest(missing, *arguments, PYTHONPATH=str(missing))


def properties_of(path, test):
    (case,) = ElementTree.parse(path).findall(f".//testcase[@name='{test}']")
    return {entry.get("name"): entry.get("value") for entry in case.iter("property")}


def failure_of(output, test):
    """What pytest shows of a test that failed, without its marks."""
    shown = re.split(r"^_+ (.*) _+$", output.partition("short test summary")[0], flags=re.M)
    (text,) = [text for name, text in itertools.pairwise(shown) if name.endswith(test)]
    return text


def told(text):
    """The lines of the error, without the mark of pytest and its indent."""
    lines = [line[1:] for line in text.splitlines() if line.startswith("E  ")]
    return textwrap.dedent("\n".join(lines)).splitlines()


@pytest.mark.long
def test_a_right_port_passes_and_its_reference_is_recorded(project, live):
    assert "1 passed, 1 deselected" in live
    (bundle,) = (project / "bundles").iterdir()
    assert bundle.name == "tests.keras_model.build-seed0.parity"
    (kept,) = (project / "kept").iterdir()
    assert kept.name == "tests_test_ports.py_test_right-1"
    pack(kept / "keras", project / "again.parity")
    assert (project / "again.parity").read_bytes() == bundle.read_bytes()


@pytest.mark.long
def test_options_in_force_are_shown(project, live, offline):
    head = f"parity: record {project / 'bundles'}, out {project / 'kept'}"
    assert head in live.splitlines()
    assert f"parity: against {project / 'bundles'}" in offline.splitlines()


@pytest.mark.long
def test_a_bundle_gives_the_same_verdicts_without_tensorflow(offline):
    assert "2 failed, 2 passed" in offline


@pytest.mark.long
def test_a_wrong_port_is_told_as_the_report_alone(project, offline):
    text = failure_of(offline, "test_wrong")
    lines = told(text)
    assert lines[0] == (
        "AssertionError: no parity: forward: hidden.activation: A16 a different activation; "
        "fix: (tried) nn.Tanh()  # module `1`"
    )
    assert " ".join(lines[1].split()) == "test_ports.py:relu seed 0 float64 replayed FAIL"
    assert "  1  forward: hidden.activation, with Keras's input (eval)" in lines
    assert "    seen  the port computes relu" in lines
    # Of the code, the line of the test and no other.
    place = f"../{project.name}/tests/test_ports.py"
    assert re.findall(r"^(\S+\.py):\d+: ", text, flags=re.M) == [place]


@pytest.mark.long
def test_a_check_that_cannot_be_made_is_told_in_one_paragraph(project, offline):
    text = failure_of(offline, "test_other_steps")
    (line,) = told(text)
    assert line.startswith("parity.errors.InputError: ")
    assert f"{project / 'bundles'}: there is no bundle of a check of " in line
    assert "it was recorded with the program's own steps, and steps 9 is asked for; record" in line


@pytest.mark.long
def test_junit_xml_has_the_properties_of_a_check(project, live, offline):
    right = properties_of(project / "live.xml", "test_right")
    assert right["parity.verdict"] == "pass"
    assert right["parity.trajectory.status"] == "pass"
    assert float(right["parity.forward.worst"]) <= float(right["parity.forward.allowed"])
    assert "parity.level" not in right
    wrong = properties_of(project / "offline.xml", "test_wrong")
    assert {name: wrong[f"parity.{name}"] for name in ("verdict", "level", "item", "cause")} == {
        "verdict": "fail",
        "level": "forward",
        "item": "hidden.activation, with Keras's input (eval)",
        "cause": "A16",
    }


@pytest.mark.long
def test_every_check_of_a_test_has_properties(project, offline):
    found = properties_of(project / "offline.xml", "test_levels")
    told = {"verdict": "pass", "loss.status": "skipped", "2.verdict": "fail", "2.level": "loss"}
    assert {name: found[f"parity.{name}"] for name in told} == told
    found = properties_of(project / "offline.xml", "test_other_steps")
    assert found["parity.verdict"] == "error"
    assert "there is no bundle of" in found["parity.error"]


# --- without a model -----------------------------------------------------------------------------


@pytest.fixture
def run(pytester):
    """Runs pytest in this process on one file of tests."""

    def run(text, *arguments):
        pytester.makepyfile(text)
        plugins = ["-p", "no:cacheprovider", "-p", "keras_torch_parity"]
        arguments = [*arguments, "--strict-markers", *plugins]
        return pytester.runpytest_inprocess(*arguments)

    return run


def test_no_library_is_loaded_for_tests_that_do_not_use_the_plugin(tmp_path):
    write(
        tmp_path,
        {
            "conftest.py": """
                import sys

                def pytest_unconfigure():
                    heavy = {"numpy", "scipy", "torch", "keras", "tensorflow", "rich", "click"}
                    print("loaded", sorted(heavy & set(sys.modules)), "parity" in sys.modules)
                """,
            "test_it.py": "def test_it(): pass",
        },
    )
    # Others that are installed here import NumPy for themselves.
    output = run_pytest(tmp_path, "-p", "no:cacheprovider", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "1 passed" in output
    assert "loaded [] False" in output


def test_help_lists_every_option_and_every_argument_of_the_marker(run):
    shown = run("", "--help").stdout.str()
    assert all(f"--parity-{name}=" in shown for name in keras_torch_parity.OPTIONS)
    line = next(x for x in run("", "--markers").outlines if "mark.parity(" in x)
    named = line.partition("(")[2].partition(")")[0].split(", ")
    assert [*named, "out"] == list(inspect.signature(assert_parity).parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--parity-against=.", "--parity-record=x"], "*--parity-against and --parity-record*"),
        (["--parity-against=nowhere"], "*nowhere: expected a bundle, or a folder with bundles,*"),
        (["--parity-tolerance=much"], "*--parity-tolerance: 'much': expected a number*"),
        (
            ["--parity-tolerance=lossy=0.1"],
            "*--parity-tolerance of 'lossy': expected one of data,*",
        ),
        (["--parity-tolerance=2"], "*--parity-tolerance is 2.0: expected a number above 0 and*"),
        (["--parity-accept=C3,Z9"], "*--parity-accept='Z9': there is no such divergence*"),
        (["--parity-out=."], "*expected an empty folder or one that does not exist"),
        (["--parity-seed=one"], "*--parity-seed: invalid int value: 'one'"),
    ],
    ids=[
        *("both", "no_folder", "no_tolerance", "no_level", "large_tolerance", "no_divergence"),
        *("taken", "no_number"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_any_test(run, arguments, message):
    result = run("def test_it(): pass", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


BODY = """
    import pytest
    {mark}
    def test_it({fixture}):
        {call}
"""


@pytest.mark.parametrize(
    ("mark", "fixture", "call", "message"),
    [
        (
            "@pytest.mark.parity(torch='m:f')",
            "",
            "pass",
            "*does not use the fixture; expected a test such*",
        ),
        (
            "@pytest.mark.parity('m:f')",
            "parity_check",
            "",
            "parity('m:f',): expected keyword arguments*",
        ),
        ("@pytest.mark.parity(port='m:f')", "parity_check", "", "unknown ['port']: expected some*"),
        ("", "parity_check", "parity_check(port=1)", "unknown ['port']: expected some of keras,*"),
        ("", "parity_check", "parity_check()", "*InputError: torch is missing: expected the*"),
        (
            "",
            "parity_check",
            "parity_check(torch=lambda: 0)",
            "*expected a function at the top level of*",
        ),
        (
            "",
            "parity_check",
            "parity_check(torch='m.py:f', keras='k:f')",
            "*there is no file *m.py",
        ),
        (
            "",
            "parity_check",
            "parity_check(torch='m:f', steps=0)",
            "*steps=0: expected an integer*",
        ),
        ("", "parity_check", "parity_check(torch='m:f', keras='k:f', levels=['all'])", "*['all']*"),
    ],
    ids=[
        *["mark_without_fixture", "by_position", "unknown_in_mark", "unknown_in_call", "no_port"],
        *["lambda", "no_file", "no_steps", "no_level"],
    ],
)
def test_wrong_use_fails_the_test_and_says_why(run, mark, fixture, call, message):
    result = run(BODY.format(mark=mark, fixture=fixture, call=call or "parity_check()"))
    assert "passed" not in result.parseoutcomes()
    lines = [line.removeprefix("E").strip() for line in result.outlines]
    assert [line for line in lines if fnmatch.fnmatchcase(line, escaped(message))], lines
    # Nothing of the plugin or of the library is shown.
    assert "parity/" not in result.stdout.str().replace("plugins: ", "")


def escaped(pattern):
    """Brackets are meant as they are."""
    return pattern.replace("[", "[[]")


@pytest.fixture
def calls(monkeypatch, pytester):
    """What `assert_parity` asks for, in the place of running it."""
    check_pairs.recorded(seed=4).pack(pytester.path / "b")
    found = []

    def check_all(specs, options):
        found.append((specs[0], options, options.out))
        return [result_of(level("structure"))]

    monkeypatch.setattr(runs_check, "check_all", check_all)
    return found


PLAIN = """
    import pytest
    from parity import assert_parity

    class TestIt:
        pytestmark = pytest.mark.parity(keras="k:f", torch="m:f", seed=3)

        def test_fixture(self, parity_check):
            parity_check()
            parity_check(seed=4, steps=2, against="b")

    def test_function():
        assert_parity(keras="k:f", torch="m:f", steps=2)
"""


def test_the_call_comes_before_the_marker_and_the_marker_before_the_options(run, calls):
    options = ["--parity-seed=7", "--parity-steps=9", "--parity-levels=init, loss"]
    run(PLAIN, *options).assert_outcomes(passed=2)
    specs = [spec for spec, _, _ in calls]
    assert [(spec.seed, spec.steps) for spec in specs] == [(3, 9), (4, 2), (7, 2)]
    assert [options.levels for _, options, _ in calls] == [["init", "loss"]] * 3
    assert [(spec.keras, spec.against is None) for spec in specs] == [
        ("k:f", True),
        (None, False),
        ("k:f", True),
    ]


def test_the_interpreters_are_those_of_the_options(run, calls):
    run(PLAIN, "--parity-keras-python=/one", "--parity-torch-python=/two")
    assert {tuple(o.children.pythons.values()) for _, o, _ in calls} == {("/one", "/two")}


def test_the_fixture_keeps_its_files_and_the_function_does_not(run, calls):
    run(PLAIN)
    first, second, third = (out for _, _, out in calls)
    assert (first.name, second.name, third) == ("parity-1", "parity-2", None)
    assert first.parent == second.parent
    assert first.parent.name.startswith("test_fixture")


def test_every_check_has_a_folder_below_the_one_that_is_named(run, calls, pytester):
    run(PLAIN, "--parity-out=kept")
    stem = Path(pytester.path).name
    names = [str(out.relative_to(pytester.path)) for _, _, out in calls]
    test = re.sub(r"\d+$", "", stem)
    assert names == [
        f"kept/{test}.py_TestIt_test_fixture-1",
        f"kept/{test}.py_TestIt_test_fixture-2",
        f"kept/{test}.py_test_function-1",
    ]


def test_tests_that_use_the_fixture_can_be_left_out(run):
    text = "def test_a(parity_check): pass\ndef test_b(): pass"
    run(text, "-m", "not parity").assert_outcomes(passed=1, deselected=1)


def test_settings_do_not_outlive_the_run(run, calls):
    run(PLAIN, "--parity-seed=7")
    assert_parity(keras="k:f", torch="m:f")
    assert calls[-1][0].seed == 0
