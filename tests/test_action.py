"""The action of CI, tried as far as it can be without GitHub: its steps run in a fresh repository.

What is tried is action.yml itself, with the workflow of docs/ci.md. pip, the cache and the artifact
are stood in for; Keras, torch, `parity` and the script of the comment (with node) are real.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys

import pytest
import workflow_steps
from documented import blocks_of
from paths import ROOT
from workflow_steps import Run, path_before

pytestmark = pytest.mark.long

ACTION = ROOT / "action.yml"
OF_ONE = """
[programs.first]
keras = "keras_model.py:build"
torch = "torch_model.py:build"
"""
TABLE = f"""{OF_ONE}
[programs.second]
keras = "keras_model.py:build"
torch = "torch_model.py:again"
"""
KERAS = """
import keras

def build():
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(2)]
    )
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    return model
"""
TORCH = """
import torch
from torch_impl import Port

def linear(*sizes):
    layer = torch.nn.Linear(*sizes)
    torch.nn.init.xavier_uniform_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return layer

def build(activation=torch.nn.Tanh):
    net = torch.nn.Sequential(linear(5, 3), activation(), linear(3, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return Port(net, loss=torch.nn.MSELoss(), optimizer=optimizer)

def again():
    return build()
"""
FILES = {"parity.toml": TABLE, "keras_model.py": KERAS, "torch_model.py": TORCH}


@pytest.fixture(scope="module")
def binaries(tmp_path_factory):
    """`parity`, and a `python` whose pip writes down what it would install."""
    folder = tmp_path_factory.mktemp("bin")
    scripts = {
        "parity": f'exec "{sys.executable}" -P -m parity "$@"',
        "python": 'if [ "$1 $2" = "-m pip" ]; then echo "$@" >> "$PIP_LOG"; exit 0; fi\n'
        f'exec "{sys.executable}" "$@"',
    }
    for name, text in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def without_tensorflow(tmp_path_factory):
    """A folder that comes first on the path, in which nothing of Keras can be imported."""
    folder = tmp_path_factory.mktemp("missing")
    for name in ("tensorflow", "keras"):
        (folder / f"{name}.py").write_text("raise ImportError('it is not installed here')\n")
    return folder


def repository_in(folder, **changes):
    """A fresh repository of a user's."""
    for name, text in (FILES | changes).items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def begin(binaries, without_tensorflow):
    """Returns a run in a folder: with or without Keras, and with a cache that lives on."""

    def begin(folder, cache=None, has_keras=False, **changes):
        repository = repository_in(folder / "repository", **changes)
        paths = [str(ROOT)] if has_keras else [str(without_tensorflow), str(ROOT)]
        environment = {
            **os.environ,
            "PATH": path_before(binaries),
            "PYTHONPATH": os.pathsep.join(paths),
            "PIP_LOG": str(folder / "pip.log"),
        }

        def restore(given, env):
            kept = None if cache is None else cache / given["key"]
            if kept is not None and kept.is_dir():
                shutil.copytree(kept, repository / given["path"], dirs_exist_ok=True)
                return {"cache-hit": "true", "cache-primary-key": given["key"]}
            return {"cache-hit": "", "cache-primary-key": given["key"]}

        def save(given, env):
            shutil.copytree(repository / given["path"], cache / given["key"])

        uses = {"actions/cache/restore": restore, "actions/cache/save": save}
        return Run(ACTION, repository, folder / "runner", environment, uses)

    return begin


@pytest.fixture(scope="module")
def recorded(begin, tmp_path_factory):
    """The first run, with Keras: a cache of bundles, and the run."""
    cache = tmp_path_factory.mktemp("cache")
    folder = tmp_path_factory.mktemp("first")
    run = begin(folder, cache, has_keras=True)
    is_green = run(**workflow_inputs())
    return cache, run, is_green


def yaml_of(start):
    """The block of docs/ci.md that begins with a text."""
    texts = [block.text for block in blocks_of(ROOT / "docs" / "ci.md") if block.language == "yaml"]
    (found,) = [text for text in texts if text.startswith(start)]
    return found


def workflow_inputs():
    """What the ten lines of the page give to the action."""
    import yaml

    told = yaml.load(yaml_of("on: [push"), Loader=yaml.BaseLoader)
    (job,) = told["jobs"].values()
    return job["steps"][-1]["with"]


def test_the_workflow_has_ten_lines():
    text = yaml_of("on: [push")
    assert len(text.strip().splitlines()) <= 10
    assert set(workflow_inputs()) <= set(workflow_steps.read(ACTION)["inputs"])


def test_no_expression_is_a_part_of_a_command_or_a_script():
    """What is written into a command is run by it, whatever it is."""
    for step in workflow_steps.read(ACTION)["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert "${{" not in step.get("with", {}).get("script", "")
        assert "run" not in step or step["shell"] == "bash"


def test_every_input_is_described_used_and_on_the_page():
    text, page = ACTION.read_text(), (ROOT / "docs" / "ci.md").read_text()
    for name, told in workflow_steps.read(ACTION)["inputs"].items():
        assert told["description"].strip()
        assert f"inputs.{name}" in text
        assert f"`{name}`" in page


def test_the_first_run_records_and_is_green(recorded):
    cache, run, is_green = recorded
    assert is_green, run.log
    assert "Record the Keras halves" in run.ran
    assert run.output("exit-code") == "0"
    assert run.summary.startswith("**2 pass of 2 runs; 16 of 16 levels compared**")
    (kept,) = cache.iterdir()
    assert sorted(path.name for path in kept.iterdir()) == ["first.parity", "second.parity"]
    pip = (run.work.parent / "pip.log").read_text()
    assert f"{ROOT}[torch]" in pip
    assert f"{ROOT}[keras]" in pip


def test_a_later_run_needs_no_tensorflow_and_less_than_a_minute(recorded, begin, tmp_path):
    """Counted is the time of the processor: a machine that is busy otherwise proves nothing."""
    cache, _, _ = recorded
    run = begin(tmp_path, cache)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run(**workflow_inputs()), run.log
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60
    assert "Record the Keras halves" not in run.ran
    assert "[keras]" not in (tmp_path / "pip.log").read_text()
    report = {path.name for path in (tmp_path / "runner" / "parity-report").iterdir()}
    assert {"report.html", "summary.md", "junit.xml"} <= report


def test_a_planted_fault_is_red_with_its_cause_in_the_summary_and_the_comment(
    recorded, begin, tmp_path
):
    cache, _, _ = recorded
    wrong = TORCH.replace("return build()", "return build(torch.nn.ReLU)")
    run = begin(tmp_path, cache, **{"torch_model.py": wrong})
    comments = []
    run.uses["actions/github-script"] = lambda given, env: comments.append(env)
    assert not run(event="pull_request", **workflow_inputs())
    assert run.output("exit-code") == "1"
    assert run.ran[-3:] == ["Keep the report", "Comment", "Verdict"]
    assert "Record the Keras halves" not in run.ran  # a change of the port needs no new bundle
    told = "1 fail, 1 pass of 2 runs; 16 of 16 levels compared**"
    assert run.summary.splitlines()[0].endswith(told)
    assert "a different activation" in run.summary
    (env,) = comments
    assert env["NAME"] == "parity"
    assert (run.work / "parity-report" / "summary.md").read_text() == run.summary


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({}, "--against parity-bundles: expected a bundle, or a folder with one for each program"),
        ({"bundles": "."}, "there is no bundle of keras_model.py:build with seed 0"),
        ({"programs": "third"}, "unknown program 'third'"),
        ({"programs": "--version"}, "unknown program '--version'"),
        ({"programs": "$(touch pwned) `touch pwned`;touch pwned"}, "unknown program '$(touch'"),
        ({"bundles": '"; touch pwned; "'}, '"; touch pwned; ": expected a bundle'),
    ],
    ids=["no_folder", "no_bundle", "unknown", "option", "command", "quote"],
)
def test_wrong_use_is_red_with_the_reason_in_the_summary_and_runs_nothing(
    inputs, told, begin, tmp_path
):
    run = begin(tmp_path)
    assert not run(**inputs)
    assert run.output("exit-code") == "2"
    assert told in run.summary
    assert run.summary.startswith(
        "**parity could not check anything (exit code 2)**\n\n    parity: "
    )
    assert not list(tmp_path.rglob("pwned"))


def test_a_keras_half_that_cannot_be_recorded_is_red_with_the_reason(begin, tmp_path):
    wrong = {"keras_model.py": "1 / 0\n", "parity.toml": OF_ONE}
    run = begin(tmp_path, tmp_path / "cache", has_keras=True, **wrong)
    assert not run(record="true")
    assert "**parity could not record a Keras half**\n\n    first\n" in run.summary
    assert "ZeroDivisionError" in run.summary
    assert "Check" not in run.ran


def test_the_key_of_the_cache_follows_the_keras_half_alone(binaries, tmp_path):
    folder = repository_in(tmp_path)

    def key(*arguments):
        ended = subprocess.run(
            [sys.executable, "-P", ROOT / "scripts" / "bundle_key.py", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return ended.stdout.strip() or ended.stderr.strip()

    first = key()
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert key("--names").split() == ["first", "second"]
    assert key("first") != first
    (folder / "torch_model.py").write_text(TORCH + "# edited\n")
    assert key() == first
    (folder / "keras_model.py").write_text(KERAS + "# edited\n")
    assert key() != first
    assert key("third").startswith("parity: program 'third': expected one of")


# --- the comment ---------------------------------------------------------------------------------

HARNESS = """
const calls = [];
const issues = {
  listComments: 'list',
  updateComment: async (given) => calls.push(['update', given]),
  createComment: async (given) => {
    if (FAILS) { throw new Error('Resource not accessible by integration'); }
    calls.push(['create', given]);
  },
};
const github = { rest: { issues }, paginate: async () => COMMENTS };
const context = { repo: { owner: 'you', repo: 'nets' }, issue: { number: 7 } };
const core = { warning: (text) => calls.push(['warning', text]) };
(async () => { SCRIPT })().then(() => console.log(JSON.stringify(calls)));
"""


@pytest.fixture
def comment(tmp_path):
    """Runs the script of the comment, with the comments that are there."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    steps = workflow_steps.read(ACTION)["runs"]["steps"]
    (script,) = [step["with"]["script"] for step in steps if step.get("name") == "Comment"]
    (tmp_path / "summary.md").write_text("**1 fail**\n")

    def comment(comments, fails=False, name="parity"):
        text = HARNESS.replace("SCRIPT", script).replace("COMMENTS", json.dumps(comments))
        ended = subprocess.run(
            [node, "-e", text.replace("FAILS", "true" if fails else "false")],
            env=os.environ | {"NAME": name, "REPORT": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return comment


MARKER = "<!-- keras-torch-parity: parity -->"


def test_a_pull_request_gets_one_comment_that_is_kept_up_to_date(comment):
    body = f"{MARKER}\n**1 fail**\n"
    others = [{"id": 1, "body": None}, {"id": 2, "body": f"quoted\n{MARKER}"}]
    ((what, given),) = comment(others)
    assert (what, given["issue_number"], given["body"]) == ("create", 7, body)
    ((what, given),) = comment([*others, {"id": 3, "body": f"{MARKER}\n**2 pass**\n"}])
    assert (what, given["comment_id"], given["body"]) == ("update", 3, body)


# --- other systems -------------------------------------------------------------------------------


def test_the_job_of_gitlab_runs_as_it_is_written(recorded, begin, tmp_path):
    import yaml

    cache, _, _ = recorded
    run = begin(tmp_path, **{"parity.toml": OF_ONE})
    (kept,) = cache.iterdir()
    shutil.copytree(kept, run.repository / "parity-bundles")
    job = yaml.safe_load(yaml_of("parity:"))["parity"]
    lines = [line.replace("pip install", "python -m pip install") for line in job["script"]]
    ended = subprocess.run(
        ["bash", "-e", "-c", "\n".join(lines)],
        cwd=run.repository,
        env=run.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (run.repository / job["artifacts"]["reports"]["junit"]).is_file()


def test_the_hook_checks_against_the_bundles_of_the_repository(recorded, begin, tmp_path):
    cache, _, _ = recorded
    (hook,) = workflow_steps.read(ROOT / ".pre-commit-hooks.yaml")
    page = yaml_of("repos:")
    assert f"id: {hook['id']}" in page
    run = begin(tmp_path, **{"parity.toml": OF_ONE})
    (kept,) = cache.iterdir()
    shutil.copytree(kept, run.repository / hook["args"][0])

    def call():
        return subprocess.run(
            [*hook["entry"].split(), *hook["args"]],
            cwd=run.repository,
            env=run.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert call().returncode == 0
    path = run.repository / "torch_model.py"
    path.write_text(path.read_text().replace("Tanh", "ReLU"))
    assert call().returncode == 1
