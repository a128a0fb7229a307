"""A small runner of the steps of `action.yml`: what GitHub does with them, as far as it is shell.

It evaluates `${{ }}` with the contexts inputs, steps, github and runner, `==`, `!=`, `&&`, `||` and
`always()`; runs `run:` with bash as GitHub calls it; and hands `uses:` to functions of the test.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.S)
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")


def read(path):
    """An action or a workflow, as it is written: `on` and `true` are texts."""
    return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def evaluate(text, contexts):
    """The value of an expression, as a text, or a truth value of a condition."""
    for sign, join in (("||", any), ("&&", all)):
        if sign in text:
            return join(_is_true(evaluate(part, contexts)) for part in text.split(sign))
    for sign in ("==", "!="):
        if sign in text:
            left, right = (evaluate(part, contexts) for part in text.split(sign))
            return (left == right) == (sign == "==")
    text = text.strip()
    if text.startswith("'"):
        return text.strip("'")
    if text == "always()":
        return True
    found = contexts
    for name in text.split("."):
        found = found.get(name, {})
    if isinstance(found, dict) and found:
        raise ValueError(f"{text} is no value")
    return found or ""


def _is_true(value):
    return value not in ("", False)


def filled(text, contexts):
    """A text with its expressions in the place of which their values stand."""
    return _EXPRESSION.sub(lambda match: str(evaluate(match[1], contexts)), text)


@dataclass
class Run:
    """A run of an action in a repository.

    Attributes:
        action: path of action.yml.
        repository: folder in which the steps run.
        work: folder for what GitHub keeps beside it.
        environment: variables of the shells.
        uses: name of an action without its version -> function of its step's `with` and `env`,
            which returns outputs.
    """

    action: Path
    repository: Path
    work: Path
    environment: dict
    uses: dict = field(default_factory=dict)
    contexts: dict = field(default_factory=dict)
    ran: list = field(default_factory=list)
    log: str = ""

    def __call__(self, event="push", **given):
        """Runs all steps; returns whether the job is green."""
        self.work.mkdir(parents=True, exist_ok=True)
        told = read(self.action)
        unknown = set(given) - set(told["inputs"])
        assert not unknown, f"no inputs: {unknown}"
        self.contexts = {
            "github": {"action_path": str(self.action.parent), "event_name": event, "token": "t"},
            "runner": {"temp": str(self.work), "os": "Linux", "arch": "X64"},
            "steps": {},
        }
        self.contexts["inputs"] = {
            name: given.get(name, filled(each["default"], self.contexts))
            for name, each in told["inputs"].items()
        }
        is_green = True
        for step in told["runs"]["steps"]:
            condition = step.get("if", "")
            if not is_green and "always()" not in condition:
                continue
            if condition and not _is_true(evaluate(condition, self.contexts)):
                continue
            self.ran.append(step.get("name", step.get("uses")))
            is_green = self._step(step) and is_green
        return is_green

    @property
    def summary(self):
        path = self.work / "summary.md"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def output(self, name):
        """An output of the action."""
        return filled(read(self.action)["outputs"][name]["value"], self.contexts)

    def _step(self, step):
        env = {name: filled(text, self.contexts) for name, text in step.get("env", {}).items()}
        if "uses" in step:
            given = {
                name: filled(text, self.contexts) for name, text in step.get("with", {}).items()
            }
            act = self.uses.get(step["uses"].partition("@")[0], lambda given, env: {})
            self._keep(step, act(given, env) or {})
            return True
        script, output = self.work / "step.sh", self.work / "output.txt"
        script.write_text(filled(step["run"], self.contexts), encoding="utf-8")
        output.write_text("")
        ended = subprocess.run(
            [*BASH, script],
            cwd=self.repository / filled(step.get("working-directory", "."), self.contexts),
            env={
                **self.environment,
                **env,
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self.work / "summary.md"),
                "RUNNER_TEMP": str(self.work),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        self.log += ended.stdout
        lines = output.read_text(encoding="utf-8").splitlines()
        self._keep(step, dict(line.split("=", 1) for line in lines))
        return ended.returncode == 0

    def _keep(self, step, outputs):
        if "id" in step:
            self.contexts["steps"][step["id"]] = {"outputs": outputs}


def path_before(folder):
    """PATH with a folder in front."""
    return os.pathsep.join([str(folder), os.environ["PATH"]])
