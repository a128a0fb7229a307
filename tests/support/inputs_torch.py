"""Ports of `inputs_keras`: right ones, and wrong ones that change what they are fed.

A port `NAME` or `NAME__FORM` of the model `NAME` is in RIGHT, and `NAME__FAULT` in WRONG.
"""

import dataclasses

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

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


def tensors(*arrays):
    return tuple(map(torch.from_numpy, arrays))


def fed(net, feed):
    return dataclasses.replace(port(net), feed=feed)


class Net(nn.Module):
    """A net of the layers of its class, (name, kind, *sizes), whose `change` is the fault."""

    layers = ()

    def __init__(self, change=lambda x: x):
        super().__init__()
        self.change = change
        for name, kind, *sizes in self.layers:
            self.add_module(name, kind(*sizes))


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
    layers = (
        ("kinds", nn.Embedding, 7, 3),
        ("side", nn.Linear, 4, 3),
        ("out", nn.Linear, 6, 2),
    )

    def forward(self, x):
        vector = self.kinds(x[:, 0].long())
        return self.out(torch.cat([vector, self.side(self.change(x[:, 1:]))], -1))


class Nested(Net):
    layers = (
        ("words", nn.Embedding, 9, 2),
        ("side", nn.Linear, 3, 2),
        ("out", nn.Linear, 26, 2),
    )

    def forward(self, text, numbers):
        vectors = self.words(text).flatten(1)
        return self.out(torch.cat([vectors, self.side(self.change(numbers))], -1))


class WholeNumbers(Net):
    layers = (("out", nn.Linear, 4, 2),)

    def forward(self, x):
        return self.out(self.change(x) / 10)


class Flags(Net):
    """Its fault changes the flags."""

    layers = (("out", nn.Linear, 4, 2),)

    def forward(self, numbers, known):
        return self.out(torch.where(self.change(known), numbers, 0))


class Vocabularies(Net):
    """Its fault changes the words."""

    layers = (
        ("words", nn.Embedding, 40, 3),
        ("kinds", nn.Embedding, 3, 3),
        ("out", nn.Linear, 6, 2),
    )

    def forward(self, words, kinds):
        vectors = [self.words(self.change(words)).mean(1), self.kinds(kinds).mean(1)]
        return self.out(torch.cat(vectors, -1))


class OneBased(Net):
    """Its fault changes the index."""

    layers = (
        ("months", nn.Embedding, 12, 3),
        ("out", nn.Linear, 3, 2),
    )

    def forward(self, x):
        return self.out(self.months(self.change(x - 1)).mean(1))


class OneHot(Net):
    """Its fault changes the classes."""

    layers = (("out", nn.Linear, 15, 2),)

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


class Dictionary(Net):
    """Takes the inputs of its dictionary in one."""

    layers = (
        ("users", nn.Embedding, 8, 3),
        ("side", nn.Linear, 4, 3),
        ("out", nn.Linear, 6, 2),
    )

    def forward(self, x):
        vector = self.users(x["user"]).mean(1)
        return self.out(torch.cat([vector, self.side(self.change(x["age"]))], -1))


class ByName(Dictionary):
    """Takes them by their names."""

    def forward(self, user, age):
        return super().forward({"user": user, "age": age})


class InARow(Dictionary):
    """Takes them one after the other, in the order of their names."""

    def forward(self, first, second):
        return super().forward({"user": second, "age": first})


class Lists(Net):
    """Takes the lists and dictionaries that Keras takes."""

    def __init__(self, **change):
        super().__init__(**change)
        self.parts = nn.ModuleList([nn.Linear(3, 3), nn.Linear(4, 3), nn.Linear(5, 3)])
        self.out = nn.Linear(9, 2)

    def forward(self, x):
        given = [*x["left"], self.change(x["right"])]
        made = [part(each) for part, each in zip(self.parts, given, strict=True)]
        return self.out(torch.cat(made, -1))


class LeftAndRight(Lists):
    """Takes the parts of the dictionary by their names."""

    def forward(self, right, left):
        return super().forward({"right": right, "left": left})


class FixedBatch(Net):
    layers = (
        ("hidden", nn.Linear, 4, 6),
        ("out", nn.Linear, 6, 2),
    )

    def forward(self, x):
        x = torch.tanh(self.hidden(self.change(x))).reshape(3, 3, 2)
        return self.out(x.flatten(1))


class OneSample(Net):
    layers = (
        ("hidden", nn.Linear, 4, 3),
        ("out", nn.Linear, 3, 2),
    )

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(self.change(x))))


class Stateful(Net):
    """Its fault changes the states that it keeps."""

    def __init__(self, **change):
        super().__init__(**change)
        self.lstm, self.out = nn.LSTM(2, 4, batch_first=True), nn.Linear(4, 2)
        nn.init.zeros_(self.lstm.bias_hh_l0).requires_grad_(False)  # Keras has one bias
        self.states = None

    def forward(self, x):
        y, states = self.lstm(x, self.states)
        self.states = self.change([state.detach() for state in states])
        return self.out(y[:, -1])


class Packed(Net):
    """Padding ends a sequence; its fault changes the lengths."""

    def __init__(self, **change):
        super().__init__(**change)
        self.words = nn.Embedding(5000, 3)
        self.lstm, self.out = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)
        nn.init.zeros_(self.lstm.bias_hh_l0).requires_grad_(False)  # Keras has one bias

    def forward(self, x):
        return self.last(self.words(x), x != 0)

    def last(self, x, mask):
        lengths = self.change(mask.sum(1))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (states, _) = self.lstm(packed)
        return self.out(states[0])


class Masking(Packed):
    """Padding is a step of a given number."""

    def __init__(self, **change):
        super().__init__(**change)
        del self.words
        self.lstm = nn.LSTM(2, 4, batch_first=True)
        nn.init.zeros_(self.lstm.bias_hh_l0).requires_grad_(False)

    def forward(self, x):
        return self.last(x, (x != -1).any(-1))


class StatefulBuffers(Stateful):
    """Keeps the states in buffers, in place."""

    def __init__(self):
        super().__init__()
        self.register_buffer("hidden", torch.zeros(1, 3, 4))
        self.register_buffer("cell", torch.zeros(1, 3, 4), persistent=False)

    def forward(self, x):
        y, states = self.lstm(x, (self.hidden.clone(), self.cell.clone()))
        for kept, state in zip((self.hidden, self.cell), states, strict=True):
            kept.copy_(state.detach())
        return self.out(y[:, -1])


def _factory(kind, **settings):
    return lambda: port(kind(**settings))


_WITH_NUMBERS = {
    "text_and_numbers": TextAndNumbers,
    "columns": Columns,
    "nested": Nested,
    "whole_numbers": WholeNumbers,
    "subclassed": Rated,
    "dictionary": Dictionary,
    "lists": Lists,
    "fixed_batch": FixedBatch,
    "one_sample": OneSample,
}
_OTHERS = {
    "flags": Flags,
    "vocabularies": Vocabularies,
    "one_based": OneBased,
    "one_hot": OneHot,
    "masked": Masked,
    "recurrent": Packed,
    "masking": Masking,
    "sparse": OneSample,
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
    "recurrent__no_mask": (Packed, {"change": lambda n: torch.full_like(n, 9)}),
    "recurrent__one_more": (Packed, {"change": lambda n: (n + 1).clamp(max=9)}),
    "masking__no_mask": (Masking, {"change": lambda n: torch.full_like(n, 6)}),
    "not_masked__padding_idx": (Masked, {"change": torch.ones_like, "padding": 0}),
    "not_masked__mask": (Masked, {}),
    "stateful__forgets": (Stateful, {"change": lambda states: None}),
    "stateful__cell_only": (Stateful, {"change": lambda s: [torch.zeros_like(s[0]), s[1]]}),
    "stateful__keeps_half": (Stateful, {"change": lambda states: [s / 2 for s in states]}),
}
RIGHT = {name: _factory(kind) for name, kind in (_WITH_NUMBERS | _OTHERS).items()}
RIGHT |= {
    "dictionary__by_name": _factory(ByName),
    "dictionary__in_a_row": _factory(InARow),
    "dictionary__feed": lambda: fed(ByName(), lambda user, age: tensors(user, age)),
    "dictionary__feed_of_one": lambda: fed(ByName(), lambda x: tensors(x["user"], x["age"])),
    "dictionary__feed_in_a_row": lambda: fed(
        ByName(), lambda first, second: tensors(second, first)
    ),
    "lists__by_name": _factory(LeftAndRight),
    "stateful": _factory(Stateful),
    "stateful__buffers": _factory(StatefulBuffers),
}
RIGHT["not_masked"] = _factory(Masked, change=torch.ones_like)
WRONG = {
    f"{name}__{fault}": _factory(kind, change=change)
    for name, kind in _WITH_NUMBERS.items()
    for fault, change in OF_NUMBERS.items()
}
WRONG |= {name: _factory(kind, **settings) for name, (kind, settings) in _FAULTS.items()}
globals().update(RIGHT | WRONG)
