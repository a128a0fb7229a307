"""Forms: what a value from outside has to be, and what is wrong with it."""

from __future__ import annotations

from typing import Any


def form_problem(path: str, value: Any, form: Any) -> str:
    """Returns what is wrong with the form of a value, "" if nothing is.

    A form is a type or several, a list with the form of its items, or a mapping of names to forms,
    of which "*" stands for every key.
    """
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"{path} is no list"
        return next(
            (
                problem
                for number, item in enumerate(value)
                if (problem := form_problem(f"{path}[{number}]", item, form[0]))
            ),
            "",
        )
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return f"{path} is no mapping"
        for name, inner in form.items():
            keys = value if name == "*" else [name]
            for key in keys:
                if key not in value:
                    return f"{path} has no {key!r}"
                shown = key if name != "*" else repr(key[:40])
                if problem := form_problem(f"{path}.{shown}", value[key], inner):
                    return problem
        return ""
    kinds = form if isinstance(form, tuple) else (form,)
    if isinstance(value, bool) and bool not in kinds:
        return f"{path} is true or false"
    if not isinstance(value, kinds):
        return f"{path} is of type {type(value).__name__}"
    return ""
