"""The errors that the user sees.

    ParityError             anything that this project reports in one paragraph, without a traceback
    ├── InputError          wrong use or bad input: a flag, a spec, a data file          (exit 2)
    └── RunError            a half failed, was killed, hung, or left an incomplete run   (exit 3)

A message says what was passed, what was expected, and what to do. `exit_code` is the exit code of
the command line; 0 (parity holds) and 1 (parity does not hold) are verdicts, not errors.
"""


class ParityError(Exception):
    """Base class of all errors that the user sees without a traceback."""

    exit_code = 3


class InputError(ParityError, ValueError):
    """Wrong use or bad input: nothing was run, or the input cannot be used."""

    exit_code = 2


class RunError(ParityError, RuntimeError):
    """A half failed: it crashed, was killed, hung, or left an incomplete directory."""

    exit_code = 3
