"""An encoder, its last state at every step of a decoder, and a softmax over the characters.

The mistake: the decoder begins with the encoder's last states, as translators do.
"""

from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


class Adder(nn.Module):
    def __init__(self, pass_states=False):
        super().__init__()
        self.pass_states = pass_states
        self.read = nn.LSTM(12, 9, batch_first=True)
        self.write = nn.LSTM(9, 9, batch_first=True)
        self.rewrite = nn.LSTM(9, 9, batch_first=True)
        self.out = nn.Linear(9, 12)

    def forward(self, x):
        _, (h, c) = self.read(x)
        x = h[-1].unsqueeze(1).expand(-1, 4, -1)
        x, _ = self.write(x, (h, c) if self.pass_states else None)
        x, _ = self.rewrite(x)
        return self.out(x)


def loss(logits, onehot):
    return -(onehot * logits.log_softmax(-1)).sum(-1).mean()


def accuracy(logits, onehot):
    return (logits.argmax(-1) == onehot.argmax(-1)).double().mean(-1)


def port(net):
    keras_init(net)
    return Port(net, loss=loss, optimizer=optim.Adam(net.parameters()), metrics=[accuracy])


def right():
    return port(Adder())


def wrong():
    return port(Adder(pass_states=True))
