"""Checks the ports of small networks in the style of keras.io: the right ones and the wrong ones.

python benchmarks/accuracy/networks.py [NAME ...] [--folder networks] [--json FILE] [--out DIR]

`benchmarks/networks/table.py` says what each network is, and what is wrong with its wrong port. The
checks run by `parity check`, a few networks at a time, so that the two ports of a network share
what Keras computes. A check that fails does not stop the others. The exit code is 1 if a right
port does not pass, or a wrong one does.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
AT_ONCE = 5


def networks_of(folder):
    """The rows of `table.py` in a folder of benchmarks."""
    spec = importlib.util.spec_from_file_location(f"{folder.name}_table", folder / "table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NETWORKS


def check(folder, networks, work):
    """Returns what was found of each port: {"NAME.right": row}."""
    work.mkdir(parents=True)
    programs = {
        f"{network.name}_{kind}": (network.name, kind)
        for network in networks
        for kind in ("right", "wrong")
    }
    (work / "parity.toml").write_text(
        "".join(
            f"[programs.{program}]\n"
            f'keras = "{folder / "keras_side" / name}.py:build"\n'
            f'torch = "{folder / "torch_side" / name}.py:{kind}"\n'
            for program, (name, kind) in programs.items()
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "parity", "check", *programs, "--workers", "1", "--out", "out"],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)},
        capture_output=True,
        text=True,
    )
    return {
        f"{name}.{kind}": row_of(work / "out" / f"{index:03}" / "result.json", done)
        for index, (name, kind) in enumerate(programs.values())
    }


def row_of(path, done):
    """Verdict, causes and open points of a result; the end of the output if there is none."""
    if not path.exists():
        return {"verdict": "none", "text": (done.stdout + done.stderr)[-2000:]}
    result = json.loads(path.read_text())
    return {
        "verdict": result["verdict"],
        "divergences": [
            {
                "level": divergence["level"],
                "name": divergence["items"][0] if divergence["items"] else "",
                "causes": [cause["id"] for cause in divergence["causes"]],
            }
            for divergence in result["divergences"]
        ],
        "incomplete": result["incomplete"],
        "errors": result.get("errors"),
    }


def named(network, row):
    """Whether one of the expected causes is the first of a divergence."""
    firsts = [divergence["causes"][:1] for divergence in row.get("divergences", [])]
    return any(first and first[0] in network.causes for first in firsts)


def main():
    """Checks, prints a line for each network and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--folder", default="networks")
    parser.add_argument("--json")
    parser.add_argument("--out", help="keep results, logs and reports in this new folder")
    arguments = parser.parse_args()
    folder = BENCHMARKS / arguments.folder
    networks = [
        network
        for network in networks_of(folder)
        if not arguments.names or network.name in arguments.names
    ]
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.out or temporary
        for start in range(0, len(networks), AT_ONCE):
            part = networks[start : start + AT_ONCE]
            rows |= check(folder, part, Path(work) / str(start))
            for network in part:
                right, wrong = rows[f"{network.name}.right"], rows[f"{network.name}.wrong"]
                found = [d["causes"][:1] for d in wrong.get("divergences", [])]
                print(
                    f"{network.name:20} {right['verdict']:10} {wrong['verdict']:10} "
                    f"{'named' if named(network, wrong) else '-':6} {network.causes} {found}",
                    flush=True,
                )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    rights = [rows[f"{network.name}.right"]["verdict"] for network in networks]
    caught = [n for n in networks if rows[f"{n.name}.wrong"]["verdict"] == "fail"]
    names = [n for n in caught if named(n, rows[f"{n.name}.wrong"])]
    for verdict in sorted(set(rights)):
        print(f"right ports: {rights.count(verdict)} {verdict} of {len(rights)}")
    print(f"wrong ports: {len(caught)} caught, {len(names)} named of {len(networks)}")
    return int(rights.count("pass") < len(rights) or len(caught) < len(networks))


if __name__ == "__main__":
    sys.exit(main())
