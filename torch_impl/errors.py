"""The error of a program that this library cannot train as it is described."""


class PortError(ValueError):
    """Arguments of a Port are wrong, or a compiled model has parts that have no equal here."""
