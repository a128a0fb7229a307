"""nn.Embedding got padding_idx=0; without mask_zero Keras trains row 0 like any other."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses
from benchmarks.held_out.torch_side import F, keras_init, nn, ports, torch


def keras_model():
    model = keras_sequential(
        keras.Input((16,), dtype="int32"),
        layers.Embedding(12, 8),
        layers.Conv1D(12, 3, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dropout(0.3),
        layers.Dense(1),
        name="text_cnn",
    )
    model.compile("adam", losses.BinaryCrossentropy(from_logits=True))
    return model


def _make(**embedding):
    class TextCNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(12, 8, **embedding)
            self.conv = nn.Conv1d(8, 12, 3)
            self.drop = nn.Dropout(0.3)
            self.out = nn.Linear(12, 1)
            nn.init.uniform_(self.embed.weight, -0.05, 0.05)
            keras_init(self)

        def forward(self, tokens):
            x = self.embed(tokens.long()).transpose(1, 2)
            x = torch.amax(F.relu(self.conv(x)), dim=2)
            return self.out(self.drop(x))

    return TextCNN()


right_port, faulty_port = ports(_make, {}, {"padding_idx": 0})
