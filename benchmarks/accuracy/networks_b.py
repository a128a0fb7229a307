"""Thirty networks of Keras's examples: right ports and faulty ones. `networks_b.py [NAME ...]`.

Each line has the network, the verdict of its port, and of a faulty port the causes that were named.
With `--out DIR`, every result is left there as JSON.
"""

import argparse
import collections
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

from networks_b.table import NETWORKS, Network

from parity.ladder.result import Result
from parity.runs.check import CheckOptions, CheckSpec, check_all

PORTS = ("right", "wrong")


def spec_of(network: Network, port: str) -> CheckSpec:
    """Returns the check of one port of a network."""
    here = ROOT / "benchmarks" / "networks_b"
    return CheckSpec(
        keras=f"{here}/originals/{network.name}.py:build",
        torch=f"{here}/ports/{network.name}.py:{port}",
    )


def causes_of(result: Result) -> list[str]:
    """Returns the IDs of all causes that a result names, the first of each divergence first."""
    found = [[cause["id"] for cause in one.causes] for one in result.divergences]
    firsts = [each for one in found for each in one[:1]]
    return list(dict.fromkeys([*firsts, *(each for one in found for each in one)]))


def word(network: Network, port: str, result: Result) -> str:
    """Returns what the check made of a port: the word that is counted."""
    if port == "right" or result.verdict != "fail":
        return result.verdict
    return "named" if set(network.causes) & set(causes_of(result)) else "caught"


def line(network: Network, port: str, result: Result) -> str:
    """Returns the line of one port."""
    parts = [f"{network.name:<23} {port:<6} {word(network, port, result):<11}"]
    if result.first is not None:
        parts.append(f"{result.first.level}: {result.first.item.name}")
    parts.append(" ".join(causes_of(result)))
    parts += [f"[{each['what']}: {each['why']}]" for each in result.incomplete]
    parts += [error.strip().splitlines()[-1] for error in result.errors if error.strip()]
    return "  ".join(part for part in parts if part)


def main() -> None:
    """Checks every port, and counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--ports", choices=PORTS, help="of one kind only")
    parser.add_argument("--out", type=Path, help="folder for the results")
    given = parser.parse_args()
    ports = [given.ports] if given.ports else PORTS
    chosen = [one for one in NETWORKS if not given.names or one.name in given.names]
    counts: dict[str, collections.Counter[str]] = {port: collections.Counter() for port in ports}
    checks = [(network, port) for network in chosen for port in ports]
    results = check_all([spec_of(*each) for each in checks], CheckOptions(out=given.out))
    for (network, port), result in zip(checks, results, strict=True):
        counts[port][word(network, port, result)] += 1
        print(line(network, port, result))
        if given.out:
            file = given.out / f"{network.name}-{port}.json"
            file.write_text(json.dumps(result.to_json(), indent=1), "utf-8")
    for port, words in counts.items():
        print(port, dict(words))


if __name__ == "__main__":
    main()
