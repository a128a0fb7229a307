"""Changes of what a trace is made of, to be put together: each is called with the parts."""

import copy

import numpy as np


def both(*changes):
    """Several changes, one after another."""

    def change(parts):
        for each in changes:
            each(parts)

    return change


def put(arrays):
    """More arrays, or others in their place."""
    return lambda parts: parts.arrays.update({k: np.array(a) for k, a in arrays.items()})


def gone(*keys):
    """Without these arrays."""

    def change(parts):
        for key in keys:
            del parts.arrays[key]

    return change


def set_to(key, value, at=...):
    """Some entries of an array, or all, are this."""

    def change(parts):
        array = parts.arrays[key] = np.array(parts.arrays[key])
        array[at] = value

    return change


def added(key, by, at=...):
    """Some entries of an array, or all, are more by this."""
    return lambda parts: set_to(key, parts.arrays[key][at] + by, at)(parts)


def scaled(key, by, at=...):
    """Some entries of an array, or all, are so many times as large."""
    return lambda parts: set_to(key, parts.arrays[key][at] * by, at)(parts)


def fact(value, *path):
    """Another fact."""

    def change(parts):
        inner = parts.facts
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = copy.deepcopy(value)

    return change


def epoch_value(column, epoch, value):
    """Another value of the history."""
    return lambda parts: parts.history[column].__setitem__(epoch, value)
