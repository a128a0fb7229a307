"""Classification with neural decision forests: trees with soft splits."""

import keras
import numpy as np
from keras import layers, ops

depth, num_trees, used_features_rate, num_classes, num_features = 3, 2, 0.8, 3, 5


class NeuralDecisionTree(keras.Model):
    def __init__(self, depth, num_features, used_features_rate, num_classes, draw):
        super().__init__()
        self.depth = depth
        self.num_leaves = 2**depth
        self.num_classes = num_classes

        # Create a mask for the randomly selected features
        num_used_features = int(num_features * used_features_rate)
        one_hot = np.eye(num_features)
        sampled = draw.choice(np.arange(num_features), num_used_features, replace=False)
        self.used_features_mask = ops.convert_to_tensor(one_hot[sampled], dtype="float32")

        # Initialize the weights of the classes in leaves
        self.pi = self.add_weight(
            initializer="random_normal",
            shape=[self.num_leaves, self.num_classes],
            dtype="float32",
            trainable=True,
        )
        # Initialize the stochastic routing layer
        self.decision_fn = layers.Dense(
            units=self.num_leaves, activation="sigmoid", name="decision"
        )

    def call(self, features):
        batch_size = ops.shape(features)[0]
        features = ops.matmul(features, ops.transpose(self.used_features_mask))
        decisions = ops.expand_dims(self.decision_fn(features), axis=2)
        # Concatenate the routing probabilities with their complements
        decisions = layers.concatenate([decisions, 1 - decisions], axis=2)

        mu = ops.ones([batch_size, 1, 1])
        begin_idx, end_idx = 1, 2
        for level in range(self.depth):
            mu = ops.reshape(mu, [batch_size, -1, 1])
            mu = ops.tile(mu, (1, 1, 2))
            level_decisions = decisions[:, begin_idx:end_idx, :]
            mu = mu * level_decisions
            begin_idx = end_idx
            end_idx = begin_idx + 2 ** (level + 1)

        mu = ops.reshape(mu, [batch_size, self.num_leaves])
        probabilities = keras.activations.softmax(self.pi)
        return ops.matmul(mu, probabilities)


class NeuralDecisionForest(keras.Model):
    def __init__(self, num_trees, depth, num_features, used_features_rate, num_classes):
        super().__init__()
        draw = np.random.default_rng(11)
        self.ensemble = [
            NeuralDecisionTree(depth, num_features, used_features_rate, num_classes, draw)
            for _ in range(num_trees)
        ]
        self.num_classes = num_classes

    def call(self, inputs):
        batch_size = ops.shape(inputs)[0]
        outputs = ops.zeros([batch_size, self.num_classes])
        for tree in self.ensemble:
            outputs = outputs + tree(inputs)
        return outputs / len(self.ensemble)


def build():
    inputs = keras.Input((num_features,))
    features = layers.BatchNormalization()(inputs)
    forest = NeuralDecisionForest(num_trees, depth, num_features, used_features_rate, num_classes)
    model = keras.Model(inputs=inputs, outputs=forest(features))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy()],
    )
    return model
