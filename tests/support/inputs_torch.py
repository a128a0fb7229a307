"""Ports of `inputs_keras`: right ones, and wrong ones that change what they are fed.

Of each, `NAME` is right, and `NAME__FAULT` has one line more.
"""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

# Fault -> what it does to an input of numbers.
OF_NUMBERS = {
    "relu": torch.relu,
    "abs": torch.abs,
    "maximum": lambda x: torch.maximum(x, torch.zeros(())),
    "clip": lambda x: x.clamp(-0.5, 0.5),
    "mod": lambda x: x % 5,
}


def port(net):
    return Port(net, nn.MSELoss(), torch.optim.SGD(net.parameters(), 0.1))


class Net(nn.Module):
    """A net whose `change` is the fault."""

    def __init__(self, change=lambda x: x):
        super().__init__()
        self.change = change


class TextAndNumbers(Net):
    def __init__(self, change=lambda x: x, of_tokens=lambda t: t, padding=None):
        super().__init__(change)
        self.of_tokens = of_tokens
        self.words = nn.Embedding(11, 3, padding_idx=padding)
        self.side, self.out = nn.Linear(4, 3), nn.Linear(6, 2)

    def forward(self, text, numbers):
        vector = self.words(self.of_tokens(text)).mean(1)
        return self.out(torch.cat([vector, self.side(self.change(numbers))], -1))


class Columns(Net):
    def __init__(self, **change):
        super().__init__(**change)
        self.kinds, self.side, self.out = nn.Embedding(7, 3), nn.Linear(4, 3), nn.Linear(6, 2)

    def forward(self, x):
        vector = self.kinds(x[:, 0].long())
        return self.out(torch.cat([vector, self.side(self.change(x[:, 1:]))], -1))


class Nested(Net):
    def __init__(self, **change):
        super().__init__(**change)
        self.words, self.side, self.out = nn.Embedding(9, 2), nn.Linear(3, 2), nn.Linear(26, 2)

    def forward(self, text, numbers):
        vectors = self.words(text).flatten(1)
        return self.out(torch.cat([vectors, self.side(self.change(numbers))], -1))


class WholeNumbers(Net):
    def __init__(self, **change):
        super().__init__(**change)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.change(x) / 10)


class Flags(Net):
    """Its fault changes the flags."""

    def __init__(self, **change):
        super().__init__(**change)
        self.out = nn.Linear(4, 2)

    def forward(self, numbers, known):
        return self.out(torch.where(self.change(known), numbers, 0))


class Vocabularies(Net):
    """Its fault changes the words."""

    def __init__(self, **change):
        super().__init__(**change)
        self.words, self.kinds, self.out = nn.Embedding(40, 3), nn.Embedding(3, 3), nn.Linear(6, 2)

    def forward(self, words, kinds):
        vectors = [self.words(self.change(words)).mean(1), self.kinds(kinds).mean(1)]
        return self.out(torch.cat(vectors, -1))


class OneBased(Net):
    """Its fault changes the index."""

    def __init__(self, **change):
        super().__init__(**change)
        self.months, self.out = nn.Embedding(12, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.out(self.months(self.change(x - 1)).mean(1))


class OneHot(Net):
    """Its fault changes the classes."""

    def __init__(self, **change):
        super().__init__(**change)
        self.out = nn.Linear(15, 2)

    def forward(self, x):
        columns = F.one_hot(self.change(x).long(), 5).to(self.out.weight.dtype)
        return self.out(columns.flatten(1))


class Masked(Net):
    """Its fault changes the mask, (N, T), 1 for every word."""

    def __init__(self, change=lambda mask: mask, padding=None):
        super().__init__(change)
        self.words, self.out = nn.Embedding(5000, 3, padding_idx=padding), nn.Linear(3, 2)

    def forward(self, x):
        mask = self.change((x != 0).to(self.out.weight.dtype))[..., None]
        return self.out((self.words(x) * mask).sum(1) / mask.sum(1))


class Rated(Net):
    """Takes the dictionary that Keras takes."""

    def __init__(self, change=lambda x: x, of_tokens=lambda t: t):
        super().__init__(change)
        self.of_tokens = of_tokens
        self.table, self.side, self.out = nn.Embedding(8, 3), nn.Linear(4, 3), nn.Linear(6, 2)

    def forward(self, x):
        vector = self.table(self.of_tokens(x["user"]))
        return self.out(torch.cat([vector, self.side(self.change(x["age"]))], -1))


def _factory(kind, **settings):
    return lambda: port(kind(**settings))


_WITH_NUMBERS = {
    "text_and_numbers": TextAndNumbers,
    "columns": Columns,
    "nested": Nested,
    "whole_numbers": WholeNumbers,
    "subclassed": Rated,
}
_OTHERS = {
    "flags": Flags,
    "vocabularies": Vocabularies,
    "one_based": OneBased,
    "one_hot": OneHot,
    "masked": Masked,
}
_FAULTS = {
    "text_and_numbers__off_by_one": (TextAndNumbers, {"of_tokens": lambda t: (t + 1) % 11}),
    "text_and_numbers__padding_idx": (TextAndNumbers, {"padding": 0}),
    "subclassed__off_by_one": (Rated, {"of_tokens": lambda t: (t + 1) % 8}),
    "flags__all": (Flags, {"change": torch.ones_like}),
    "flags__not": (Flags, {"change": torch.logical_not}),
    "vocabularies__mod": (Vocabularies, {"change": lambda t: t % 3}),
    "one_based__wrong_end": (OneBased, {"change": lambda t: t.clamp(max=10)}),
    "one_hot__last": (OneHot, {"change": lambda t: t.clamp(max=3)}),
    "masked__no_mask": (Masked, {"change": torch.ones_like}),
    "masked__not_the_last": (Masked, {"change": lambda m: torch.cat([m[:, :-1], m[:, :1]], 1)}),
    "not_masked__padding_idx": (Masked, {"change": torch.ones_like, "padding": 0}),
    "not_masked__mask": (Masked, {}),
}
RIGHT = {name: _factory(kind) for name, kind in (_WITH_NUMBERS | _OTHERS).items()}
RIGHT["not_masked"] = _factory(Masked, change=torch.ones_like)
WRONG = {
    f"{name}__{fault}": _factory(kind, change=change)
    for name, kind in _WITH_NUMBERS.items()
    for fault, change in OF_NUMBERS.items()
}
WRONG |= {name: _factory(kind, **settings) for name, (kind, settings) in _FAULTS.items()}
globals().update(RIGHT | WRONG)
