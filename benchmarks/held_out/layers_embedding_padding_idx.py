"""nn.Embedding got padding_idx=0; without mask_zero Keras trains row 0 like any other."""

from functools import partial

from benchmarks.held_out.late import F, keras, layers, nn, torch

IDS = ("E7",)
LEVEL = "gradient"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((16,), dtype="int32"),
            layers.Embedding(12, 8),
            layers.Conv1D(12, 3, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ],
        name="text_cnn",
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
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
            for m in (self.conv, self.out):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, tokens):
            x = self.embed(tokens.long()).transpose(1, 2)
            x = torch.amax(F.relu(self.conv(x)), dim=2)
            return self.out(self.drop(x))

    return TextCNN()


right_port = _make
faulty_port = partial(_make, padding_idx=0)
