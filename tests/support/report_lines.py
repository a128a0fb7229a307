"""Lines of a report, pairs of a text and a style: what a test asks of them."""


def text(lines):
    return ["".join(part for part, _ in line).rstrip() for line in lines]


def styles(lines, part):
    """The styles in which a text is shown."""
    return {style for line in lines for shown, style in line if part in shown}


def check(lines):
    """Fits a terminal, and holds nothing that it would obey."""
    for line in text(lines):
        assert len(line) <= 80, line
        assert all(character.isprintable() for character in line)
