"""The classifier of token sequences in PyTorch."""

from torch import nn

from torch_impl import Port
from torch_impl.layers import LSTM
from torch_impl.metrics import SparseTopKCategoricalAccuracy
from torch_impl.optim import RMSprop
from torch_impl.penalty import Penalty, RegularizedLoss
from torch_impl.regularizers import L2
from torch_impl.schedule import EarlyStopping

VOCABULARY, NUM_CLASSES = 60, 6


class TextNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.lstm = LSTM(8, 12, return_sequences=True)  # one trained bias, as in Keras
        self.gru = nn.GRU(12, 10, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(10, NUM_CLASSES)

    def forward(self, tokens):
        x = self.lstm(self.embedding(tokens.long()))
        _, last = self.gru(x)
        return self.head(self.dropout(last[0]))


def initialise(net):
    nn.init.uniform_(net.embedding.weight, -0.05, 0.05)
    for rnn in (net.lstm, net.gru):
        nn.init.xavier_uniform_(rnn.weight_ih_l0)
        nn.init.orthogonal_(rnn.weight_hh_l0)
        nn.init.zeros_(rnn.bias_ih_l0)
    nn.init.zeros_(net.gru.bias_hh_l0)
    nn.init.ones_(net.lstm.bias_ih_l0[12:24])  # unit_forget_bias
    nn.init.xavier_uniform_(net.head.weight)
    nn.init.zeros_(net.head.bias)


def build():
    net = TextNet()
    initialise(net)
    penalty = Penalty(net, {"embedding.weight": L2(1e-4)})
    return Port(
        net,
        loss=RegularizedLoss(nn.CrossEntropyLoss(), penalty),
        optimizer=RMSprop(net.parameters(), learning_rate=0.005),
        early_stopping=EarlyStopping(net, patience=3, restore_best_weights=True),
        metrics=["accuracy", SparseTopKCategoricalAccuracy(k=2, name="top2")],
    )
