"""Thirty networks of Keras's examples: right ports and faulty ones. `networks_b.py [NAME ...]`.

Each line has the network, the verdict of its port, and of a faulty port the causes that were named.
`--ports more` checks twelve more faults. With `--out DIR`, every result is left there as JSON.
"""

import argparse
import collections
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

from networks_b.table import MORE, NETWORKS, Fault, Network

from parity.ladder.result import Result
from parity.runs.check import CheckOptions, CheckSpec, check_all

PORTS = ("right", "wrong", "more")
# Of them, those that say where something differs, and not what.
PLACES = {"N1", "N2", "D13", "E7"}
SURE = 0.8


def spec_of(network: str, function: str) -> CheckSpec:
    """Returns the check of one port of a network."""
    here = ROOT / "benchmarks" / "networks_b"
    return CheckSpec(
        keras=f"{here}/originals/{network}.py:build", torch=f"{here}/ports/{network}.py:{function}"
    )


def cases_of(
    ports: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, str, Network | Fault]]:
    """Yields (kind, network, what is known of it) of the ports to check."""
    for kind in ports:
        for one in MORE if kind == "more" else NETWORKS:
            name = one.network if isinstance(one, Fault) else one.name
            if not names or name in names:
                yield kind, name, one


def causes_of(result: Result) -> list[str]:
    """Returns the IDs of all causes that a result names, the first of each divergence first."""
    found = [[cause["id"] for cause in one.causes] for one in result.divergences]
    firsts = [each for one in found for each in one[:1]]
    return list(dict.fromkeys([*firsts, *(each for one in found for each in one)]))


def word(kind: str, known: Network | Fault, result: Result) -> str:
    """Returns what the check made of a port: the word that is counted.

    "named" is a fault with an expected cause, and "told" one of whose causes is sure of what is
    wrong, and not of its place alone.
    """
    if kind == "right" or result.verdict != "fail":
        return result.verdict
    if not set(known.causes) & set(causes_of(result)):
        return "caught"
    return "told" if is_told(result) else "named"


def is_told(result: Result) -> bool:
    """Whether a cause says what is wrong, and its formula or the settings show it."""
    found = [cause for one in result.divergences for cause in one.causes]
    return any(
        cause["confidence"] >= SURE
        and (cause["id"] not in PLACES or " in the port" in cause["detail"])
        for cause in found
    )


def line(kind: str, name: str, known: Network | Fault, result: Result) -> str:
    """Returns the line of one port."""
    function = known.port if isinstance(known, Fault) else kind
    parts = [f"{name:<23} {function:<15} {word(kind, known, result):<11}"]
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
    cases = list(cases_of([given.ports] if given.ports else PORTS, given.names))
    counts: dict[str, collections.Counter[str]] = {}
    specs = [
        spec_of(name, known.port if isinstance(known, Fault) else kind)
        for kind, name, known in cases
    ]
    results = check_all(specs, CheckOptions(out=given.out))
    for (kind, name, known), spec, result in zip(cases, specs, results, strict=True):
        counts.setdefault(kind, collections.Counter())[word(kind, known, result)] += 1
        print(line(kind, name, known, result))
        if given.out:
            function = str(spec.torch).rpartition(":")[2]
            file = given.out / f"{name}-{function}.json"
            file.write_text(json.dumps(result.to_json(), indent=1), "utf-8")
    for port, words in counts.items():
        print(port, dict(words))


if __name__ == "__main__":
    main()
