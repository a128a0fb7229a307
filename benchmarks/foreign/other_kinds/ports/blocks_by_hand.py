"""What several ports share: initial weights as Keras draws them, and attention by hand."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn


def config_of(name):
    """Returns what `model.get_config()` gave for a network, from the file beside the ports."""
    return json.loads((Path(__file__).parent / "configs" / f"{name}.json").read_text("utf-8"))


@torch.no_grad()
def keras_init(net):
    """Gives every layer of a module the initial weights that Keras's defaults give it."""
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.uniform_(module.weight, -0.05, 0.05)
        elif isinstance(module, nn.MultiheadAttention):
            for block in module.in_proj_weight.chunk(3):
                nn.init.xavier_uniform_(block)
            nn.init.zeros_(module.in_proj_bias)
        elif isinstance(module, nn.LSTM):
            init_lstm(module)
    return net


def init_lstm(lstm):
    """Keras has one bias: the second one of torch stays zero and does not train."""
    for name, weight in lstm.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        elif name.startswith("weight_hh"):
            nn.init.orthogonal_(weight)
        else:
            nn.init.zeros_(weight)
            if name.startswith("bias_ih"):
                weight[lstm.hidden_size : 2 * lstm.hidden_size] = 1.0
            else:
                weight.requires_grad_(False)


class Attention(nn.Module):
    """Attention whose heads are as wide as one likes, as `MultiHeadAttention(heads, key_dim)`."""

    def __init__(self, dim, heads, head_dim, dropout=0.0):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.to_q = nn.Linear(dim, heads * head_dim)
        self.to_k = nn.Linear(dim, heads * head_dim)
        self.to_v = nn.Linear(dim, heads * head_dim)
        self.proj = nn.Linear(heads * head_dim, dim)

    def forward(self, query, memory, mask=None, causal=False):
        """`mask` is (N, T, S), True where a step may look."""
        q, k, v = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for t in (self.to_q(query), self.to_k(memory), self.to_v(memory))
        )
        if mask is not None:
            mask = mask.unsqueeze(1)
        dropout = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=causal)
        return self.proj(out.transpose(1, 2).flatten(2))
