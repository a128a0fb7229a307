"""Matrix factorisation with biases.

The mistake: the penalty of the embeddings is forgotten.
"""

import math

from torch import nn

from torch_impl import Port, optim


class MatrixFactorisation(nn.Module):
    def __init__(self):
        super().__init__()
        self.user, self.user_bias = nn.Embedding(12, 6), nn.Embedding(12, 1)
        self.movie, self.movie_bias = nn.Embedding(15, 6), nn.Embedding(15, 1)
        for factors in (self.user, self.movie):
            # he_normal of Keras is truncated at two standard deviations.
            std = math.sqrt(2 / factors.num_embeddings) / 0.87962566103423978
            nn.init.trunc_normal_(factors.weight, std=std, a=-2 * std, b=2 * std)
        for bias in (self.user_bias, self.movie_bias):
            nn.init.uniform_(bias.weight, -0.05, 0.05)

    def forward(self, pairs):
        user, movie = pairs.long().unbind(1)
        score = (self.user(user) * self.movie(movie)).sum(-1, keepdim=True)
        return score + self.user_bias(user) + self.movie_bias(movie)

    def penalty(self):
        return 1e-6 * (self.user.weight.square().sum() + self.movie.weight.square().sum())


def port(penalty):
    net = MatrixFactorisation()
    bce = nn.BCEWithLogitsLoss()
    return Port(
        net,
        loss=lambda out, y: bce(out, y.reshape(out.shape).to(out.dtype)) + penalty(net),
        optimizer=optim.Adam(net.parameters(), learning_rate=0.001),
    )


def right():
    return port(MatrixFactorisation.penalty)


def wrong():
    return port(lambda net: 0.0)
