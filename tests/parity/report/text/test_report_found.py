"""The list of divergences: every one has its place, its numbers, its cause and the fix."""

import dataclasses

import report_lines
from checked import level, result_of
from result_samples import CAUSE, PLACE, SETTING, accepted_check, incomplete_check

from parity.ladder.result import Found
from parity.report.text.check import check_lines
from parity.report.text.found import FEW, divergence_lines, found_lines, open_lines, setting_lines


def found(**changes):
    each = level("forward", worst=0.75, note="3 of 4 above").items[0]
    fields = {"items": (each.name,), "causes": (CAUSE,), "place": PLACE, **changes}
    return Found("forward", each, **fields)


def with_divergences(*divergences, **changes):
    result = result_of(level("data"), level("forward", worst=0.75), level("loss", worst=0.5))
    return dataclasses.replace(result, divergences=divergences, **changes)


def test_one_divergence_reads_like_this():
    each = found(items=("conv.kernel", "conv (eval)", "conv (train)"))
    assert report_lines.text(divergence_lines(each, 1)) == [
        "  1  forward: conv.kernel",
        "    cause A5  padding 'same' with a stride is not symmetric  (99 %)",
        "    fix   torch_impl.layers.Conv2D(padding='same')",
        "    line  net.py:7",
        "    seen  padding=1 on both sides gives the port's numbers",
        "    rule  Keras: the odd one after",
        "    rule  torch: k // 2 on both sides",
        "    keras 1.5",
        "    torch -2.5",
        "          differs by 7.5e-01 (rel), allowed 1.0e-12; 3 of 4 above",
        "          2 more items show it",
        "    where conv1 in Keras, module `features.0` in the port",
        "    parity explain A5  (symmetric-same-padding)",
    ]


def test_the_place_of_the_worst_value_has_a_line_of_its_own():
    item = dataclasses.replace(found().item, index=(3, 4), epoch=1, step=20)
    lines = report_lines.text(divergence_lines(dataclasses.replace(found(), item=item), 1))
    assert lines[0] == "  1  forward: conv.kernel (epoch 2, step 20)"
    assert "          at [3, 4]" in lines


def test_many_divergences_are_shown_without_formulas_and_other_causes():
    both = found(causes=(CAUSE, {**CAUSE, "id": "A7"}))
    few = report_lines.text(found_lines(with_divergences(*[both] * FEW)))
    many = report_lines.text(found_lines(with_divergences(*[both] * (FEW + 1))))
    assert "    rule  Keras: the odd one after" in few
    assert "    rule  Keras: the odd one after" not in many
    assert sum(line.startswith("    or    A7") for line in few) == FEW
    assert not any("A7" in line for line in many)
    for lines in (few, many):
        assert sum(line.startswith("    fix ") for line in lines) >= FEW


def test_divergences_that_the_same_values_show_refer_to_the_first_of_them():
    parts = [found(causes=({**CAUSE, "id": name},)) for name in ("F2", "F1", "C11")]
    lines = report_lines.text(found_lines(with_divergences(*parts)))
    heads = [line for line in lines if line[2:3].isdigit()]
    assert heads == [
        "  1  forward: conv.kernel",
        "  2  forward: the same values as in 1",
        "  3  forward: the same values as in 1",
    ]
    assert sum(line == "    torch -2.5" for line in lines) == 1


def test_what_follows_is_counted_and_not_listed():
    inherited = (("loss", ("loss",)), ("gradient", tuple(f"w{n}" for n in range(1200))))
    lines = report_lines.text(
        found_lines(with_divergences(found(), inherited=inherited, proven=inherited))
    )
    assert " ".join(" ".join(lines[-2:]).split()).endswith(
        " 1,201 more items differ only because of this: 1 at loss and 1,200 at gradient"
    )
    assert not any("w7" in line for line in lines)


def test_a_level_that_fails_only_because_of_another_says_so():
    result = with_divergences(found())
    (item,) = {item.name for level in result.levels if level.id == "loss" for item in level.items}
    proven = dataclasses.replace(result, proven=(("loss", (item,)),))
    lines = report_lines.text(check_lines(proven))
    (loss,) = [line for line in lines if line.startswith("  loss ")]
    assert loss.split()[:2] == ["loss", "follows"]
    (forward,) = [line for line in lines if line.startswith("  forward ")]
    assert forward.split()[:2] == ["forward", "FAIL"]


def test_what_is_accepted_is_marked_and_comes_last():
    accepted = dataclasses.replace(found(), is_accepted=True)
    lines = found_lines(with_divergences(accepted, found()))
    heads = [line for line in report_lines.text(lines) if line[2:3].isdigit()]
    assert heads[0].startswith("  1  forward: ")
    assert heads[1].startswith("  2  accepted, forward: ")
    assert report_lines.styles(lines, "accepted") == {"yellow"}
    text = report_lines.text(check_lines(accepted_check()))
    assert text[0].endswith("PASS")
    (forward,) = [line for line in text if line.startswith("  forward ")]
    assert forward.split()[:2] == ["forward", "accepted"]
    assert "accepted: A5" in text[-2]


def test_settings_are_listed_if_there_are_any():
    assert setting_lines(result_of(level("data"))) == []
    result = dataclasses.replace(result_of(level("data")), settings=(SETTING,))
    assert report_lines.text(setting_lines(result)) == [
        "  settings that differ",
        "    C1  epsilon: 0.001 in norm, 1e-05 in features.1, also in 1 more",
    ]


def test_what_could_not_be_compared_says_why_and_what_to_do():
    assert report_lines.text(open_lines(incomplete_check())) == [
        "  could not be compared: noise",
        "    why   noise draws at random",
        "    do    replay noise",
    ]


def test_what_was_left_out_is_told_together_where_the_reason_is_the_same():
    gradient = dataclasses.replace(level("gradient"), not_compared=(("a.bias", "it is zero"),))
    result = dataclasses.replace(
        result_of(level("data"), gradient),
        not_compared=({"what": "b.bias", "why": "it is zero"}, {"what": "c", "why": "float32"}),
    )
    assert report_lines.text(open_lines(result)) == [
        "  not compared: b.bias, a.bias: it is zero",
        "  not compared: c: float32",
    ]


def test_of_many_parts_with_one_reason_the_first_are_named_and_the_others_counted():
    parts = tuple({"what": f"w{n}", "why": "it is zero"} for n in range(8))
    texts = [
        report_lines.text(open_lines(dataclasses.replace(result_of(), not_compared=parts[:count])))
        for count in (6, 7, 8)
    ]
    assert texts == [
        ["  not compared: w0, w1, w2, w3, w4, w5: it is zero"],
        ["  not compared: w0, w1, w2, w3, w4 and 2 more: it is zero"],
        ["  not compared: w0, w1, w2, w3, w4 and 3 more: it is zero"],
    ]


def test_a_report_fits_a_terminal():
    long = {**PLACE, "keras": "a_long_name_of_a_layer" * 4, "torch": "0." * 40}
    parts = [dataclasses.replace(found(place=long), items=("x",) * 30) for _ in range(12)]
    result = with_divergences(
        *parts, incomplete=({"what": "w" * 200, "why": "y " * 90, "do": "z " * 90},)
    )
    report_lines.check(check_lines(result))
