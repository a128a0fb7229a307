"""Long statements are wrapped as formatters do it, and short ones stay."""

import subprocess
import sys

from rows import each_row

from parity.ports.wrapping import excused, with_comment, wrapped


def test_an_entry_that_cannot_be_shorter_has_a_word_to_ruff(tmp_path):
    entry = f'    "{"layer_" * 10}kernel": initializers.GlorotUniform(),'
    assert excused(entry) == f"{entry}  # noqa: E501"
    name = f'    "{"layer_" * 15}kernel",'  # one word, which ruff lets pass
    for line in (name, "    x = f(1)"):
        assert excused(line) == line
    file = tmp_path / "entries.py"
    file.write_text("\n".join(["x = {", excused(entry), "}", "y = [", name, "]", ""]))
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E501", str(file)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


SUMS = {
    "ends_with_no_call": """\
        total = (
            F.avg_pool2d(first_branch_of_two, 3, stride=1, padding=1, ceil_mode=False)
            + second_branch
        )
""",
    "ends_with_a_call": """\
        total = first_branch + F.avg_pool2d(
            second_branch_of_two, 3, stride=1, padding=1, count_include_pad=False
        )
""",
    "three": """\
        return (
            self.first_projection_of_three(x)
            + self.second_projection_of_three(y)
            - self.third_projection_of_three(z)
        )
""",
    "products_in_a_sum": """\
        return (
            self.first_projection_of_three(x) * self.second_projection_of_three(y)
            + third_of_three
        )
""",
    "fits_in_brackets": """\
        return (
            self.first_projection_of_three(x) * self.second_projection(y) * self.third
        )
""",
    "arguments_of_an_operand": """\
        total, rest = (
            self.first_projection_with_a_long_name(
                first_argument_of_the_call, second_argument_of_the_call
            )
            + the_rest
        )
""",
}


@each_row("name", SUMS)
def test_a_sum_is_wrapped_at_its_weakest_operators_or_in_its_last_call(name):
    expected = SUMS[name].splitlines()
    indent = " " * 8
    line = " ".join([line.strip() for line in expected]).replace("( ", "(").replace(" )", ")")
    if expected[0].endswith((" = (", "return (")):
        line = line.replace(" (", " ", 1)[:-1]
    assert wrapped(f"{indent}{line}") == expected


def test_a_loop_of_two_variables_has_a_line_of_its_own():
    step = "self.a_layer_with_a_long_name(step, mask=each)"
    loop = "for step, each in zip(x.unbind(1), mask.unbind(1), strict=True)"
    assert wrapped(f"        y = torch.stack([{step} {loop}], dim=1)") == [
        "        y = torch.stack(",
        "            [",
        f"                {step}",
        f"                {loop}",
        "            ],",
        "            dim=1,",
        "        )",
    ]


@each_row(
    "given, expected",
    [
        ("y = x ** 2", "y = x**2"),
        ("y = self.scale.value ** -0.5 + 2 ** n", "y = self.scale.value**-0.5 + 2**n"),
        ("y = x.abs() ** 2", "y = x.abs() ** 2"),
        ("y = x ** y.abs()", "y = x ** y.abs()"),
        ("y = (x + 1) ** 2", "y = (x + 1) ** 2"),
        ("y = x[0] ** 2", "y = x[0] ** 2"),
        ("y = x ** y[0]", "y = x ** y[0]"),
        ("y = 2.0 ** x", "y = 2.0**x"),
    ],
)
def test_a_power_of_names_and_numbers_has_no_spaces(given, expected):
    """As `ruff format` writes it."""
    assert wrapped(given) == [expected]
    assert with_comment(given, "(N,)") == [f"{expected}  # (N,)"]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "-"],
        input=f"{given}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{expected}\n"
