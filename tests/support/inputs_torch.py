"""Ports of `inputs_keras`: right ones, and wrong ones that change what they are fed.

A port `NAME` or `NAME__FORM` of the model `NAME` is in RIGHT, and `NAME__FAULT` in WRONG.
"""

import dataclasses

import torch
from small_nets import Net
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


class Changing(nn.Module):
    """A net whose `change` is its fault."""

    def __init__(self, change=lambda x: x):
        super().__init__()
        self.change = change


def text_and_numbers_net(change=lambda x: x, of_tokens=lambda t: t, padding=None):
    return Net(
        lambda net, text, numbers: net.out(
            torch.cat([net.words(of_tokens(text)).mean(1), net.side(change(numbers))], -1)
        ),
        words=nn.Embedding(11, 3, padding_idx=padding),
        side=nn.Linear(4, 3),
        out=nn.Linear(6, 2),
    )


def columns_net(change=lambda x: x):
    return Net(
        lambda net, x: net.out(
            torch.cat([net.kinds(x[:, 0].long()), net.side(change(x[:, 1:]))], -1)
        ),
        kinds=nn.Embedding(7, 3),
        side=nn.Linear(4, 3),
        out=nn.Linear(6, 2),
    )


def nested_net(change=lambda x: x):
    return Net(
        lambda net, text, numbers: net.out(
            torch.cat([net.words(text).flatten(1), net.side(change(numbers))], -1)
        ),
        words=nn.Embedding(9, 2),
        side=nn.Linear(3, 2),
        out=nn.Linear(26, 2),
    )


def whole_numbers_net(change=lambda x: x):
    return Net(lambda net, x: net.out(change(x) / 10), out=nn.Linear(4, 2))


def flags_net(change=lambda known: known):
    return Net(
        lambda net, numbers, known: net.out(torch.where(change(known), numbers, 0)),
        out=nn.Linear(4, 2),
    )


def vocabularies_net(change=lambda words: words):
    return Net(
        lambda net, words, kinds: net.out(
            torch.cat([net.words(change(words)).mean(1), net.kinds(kinds).mean(1)], -1)
        ),
        words=nn.Embedding(40, 3),
        kinds=nn.Embedding(3, 3),
        out=nn.Linear(6, 2),
    )


def one_based_net(change=lambda index: index):
    return Net(
        lambda net, x: net.out(net.months(change(x - 1)).mean(1)),
        months=nn.Embedding(12, 3),
        out=nn.Linear(3, 2),
    )


def one_hot_net(change=lambda classes: classes):
    return Net(
        lambda net, x: net.out(F.one_hot(change(x).long(), 5).to(net.out.weight.dtype).flatten(1)),
        out=nn.Linear(15, 2),
    )


def masked_net(change=lambda mask: mask, padding=None):
    """The mask is (N, T), 1 for every word."""

    def run(net, x):
        mask = change((x != 0).to(net.out.weight.dtype))[..., None]
        return net.out((net.words(x) * mask).sum(1) / mask.sum(1))

    return Net(run, words=nn.Embedding(5000, 3, padding_idx=padding), out=nn.Linear(3, 2))


def rated_net(change=lambda x: x, of_tokens=lambda t: t):
    """Takes the dictionary that Keras takes."""
    return Net(
        lambda net, x: net.out(
            torch.cat([net.table(of_tokens(x["user"])), net.side(change(x["age"]))], -1)
        ),
        table=nn.Embedding(8, 3),
        side=nn.Linear(4, 3),
        out=nn.Linear(6, 2),
    )


def fixed_batch_net(change=lambda x: x):
    return Net(
        lambda net, x: net.out(torch.tanh(net.hidden(change(x))).reshape(3, 3, 2).flatten(1)),
        hidden=nn.Linear(4, 6),
        out=nn.Linear(6, 2),
    )


def one_sample_net(change=lambda x: x):
    return Net(
        lambda net, x: net.out(torch.tanh(net.hidden(change(x)))),
        hidden=nn.Linear(4, 3),
        out=nn.Linear(3, 2),
    )


class Dictionary(Changing):
    """Takes the inputs of its dictionary in one."""

    def __init__(self, **change):
        super().__init__(**change)
        self.users, self.side, self.out = nn.Embedding(8, 3), nn.Linear(4, 3), nn.Linear(6, 2)

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


class Lists(Changing):
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


class Stateful(Changing):
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


class Packed(Changing):
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
    "text_and_numbers": text_and_numbers_net,
    "columns": columns_net,
    "nested": nested_net,
    "whole_numbers": whole_numbers_net,
    "subclassed": rated_net,
    "dictionary": Dictionary,
    "lists": Lists,
    "fixed_batch": fixed_batch_net,
    "one_sample": one_sample_net,
}
_OTHERS = {
    "flags": flags_net,
    "vocabularies": vocabularies_net,
    "one_based": one_based_net,
    "one_hot": one_hot_net,
    "masked": masked_net,
    "recurrent": Packed,
    "masking": Masking,
    "sparse": one_sample_net,
}
_FAULTS = {
    "text_and_numbers__off_by_one": (text_and_numbers_net, {"of_tokens": lambda t: (t + 1) % 11}),
    "text_and_numbers__padding_idx": (text_and_numbers_net, {"padding": 0}),
    "subclassed__off_by_one": (rated_net, {"of_tokens": lambda t: (t + 1) % 8}),
    "flags__all": (flags_net, {"change": torch.ones_like}),
    "flags__not": (flags_net, {"change": torch.logical_not}),
    "vocabularies__mod": (vocabularies_net, {"change": lambda t: t % 3}),
    "one_based__wrong_end": (one_based_net, {"change": lambda t: t.clamp(max=10)}),
    "one_hot__last": (one_hot_net, {"change": lambda t: t.clamp(max=3)}),
    "masked__no_mask": (masked_net, {"change": torch.ones_like}),
    "masked__not_the_last": (masked_net, {"change": lambda m: torch.cat([m[:, :-1], m[:, :1]], 1)}),
    "recurrent__no_mask": (Packed, {"change": lambda n: torch.full_like(n, 9)}),
    "recurrent__one_more": (Packed, {"change": lambda n: (n + 1).clamp(max=9)}),
    "masking__no_mask": (Masking, {"change": lambda n: torch.full_like(n, 6)}),
    "not_masked__padding_idx": (masked_net, {"change": torch.ones_like, "padding": 0}),
    "not_masked__mask": (masked_net, {}),
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
RIGHT["not_masked"] = _factory(masked_net, change=torch.ones_like)
WRONG = {
    f"{name}__{fault}": _factory(kind, change=change)
    for name, kind in _WITH_NUMBERS.items()
    for fault, change in OF_NUMBERS.items()
}
WRONG |= {name: _factory(kind, **settings) for name, (kind, settings) in _FAULTS.items()}
globals().update(RIGHT | WRONG)
