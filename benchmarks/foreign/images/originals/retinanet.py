"""RetinaNet: a feature pyramid, shared heads, and a loss of its own."""

import keras
import numpy as np
from keras import layers, ops

from keras_impl import Reference

NUM_CLASSES = 3
NUM_ANCHORS = 2


class FeaturePyramid(layers.Layer):
    def __init__(self, backbone=None, **kwargs):
        super().__init__(name="FeaturePyramid", **kwargs)
        self.backbone = backbone
        self.conv_c3_1x1 = layers.Conv2D(8, 1, 1, "same")
        self.conv_c4_1x1 = layers.Conv2D(8, 1, 1, "same")
        self.conv_c3_3x3 = layers.Conv2D(8, 3, 1, "same")
        self.conv_c4_3x3 = layers.Conv2D(8, 3, 1, "same")
        self.conv_c5_3x3 = layers.Conv2D(8, 3, 2, "same")
        self.upsample_2x = layers.UpSampling2D(2)

    def call(self, images, training=False):
        c3_output, c4_output = self.backbone(images, training=training)
        p3_output = self.conv_c3_1x1(c3_output)
        p4_output = self.conv_c4_1x1(c4_output)
        p3_output = p3_output + self.upsample_2x(p4_output)
        p3_output = self.conv_c3_3x3(p3_output)
        p4_output = self.conv_c4_3x3(p4_output)
        p5_output = self.conv_c5_3x3(c4_output)
        return p3_output, p4_output, p5_output


def get_backbone():
    inputs = keras.Input((16, 24, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    c3 = layers.ReLU()(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(c3)
    x = layers.BatchNormalization()(x)
    c4 = layers.ReLU()(x)
    return keras.Model(inputs=[inputs], outputs=[c3, c4])


def build_head(output_filters, bias_init):
    head = keras.Sequential([keras.Input(shape=[None, None, 8])])
    kernel_init = keras.initializers.RandomNormal(0.0, 0.01)
    for _ in range(2):
        head.add(layers.Conv2D(8, 3, padding="same", kernel_initializer=kernel_init))
        head.add(layers.ReLU())
    head.add(
        layers.Conv2D(
            output_filters,
            3,
            1,
            padding="same",
            kernel_initializer=kernel_init,
            bias_initializer=bias_init,
        )
    )
    return head


class RetinaNet(keras.Model):
    def __init__(self, num_classes, backbone=None, **kwargs):
        super().__init__(name="RetinaNet", **kwargs)
        self.fpn = FeaturePyramid(backbone)
        self.num_classes = num_classes
        prior_probability = keras.initializers.Constant(-np.log((1 - 0.01) / 0.01))
        self.cls_head = build_head(NUM_ANCHORS * num_classes, prior_probability)
        self.box_head = build_head(NUM_ANCHORS * 4, "zeros")

    def call(self, image, training=False):
        features = self.fpn(image, training=training)
        N = ops.shape(image)[0]
        cls_outputs = []
        box_outputs = []
        for feature in features:
            box_outputs.append(ops.reshape(self.box_head(feature), [N, -1, 4]))
            cls_outputs.append(ops.reshape(self.cls_head(feature), [N, -1, self.num_classes]))
        cls_outputs = ops.concatenate(cls_outputs, axis=1)
        box_outputs = ops.concatenate(box_outputs, axis=1)
        return ops.concatenate([box_outputs, cls_outputs], axis=-1)


class RetinaNetBoxLoss(keras.losses.Loss):
    def __init__(self, delta):
        super().__init__(reduction=None, name="RetinaNetBoxLoss")
        self._delta = delta

    def call(self, y_true, y_pred):
        difference = y_true - y_pred
        absolute_difference = ops.abs(difference)
        squared_difference = difference**2
        loss = ops.where(
            ops.less(absolute_difference, self._delta),
            0.5 * squared_difference,
            absolute_difference - 0.5,
        )
        return ops.sum(loss, axis=-1)


class RetinaNetClassificationLoss(keras.losses.Loss):
    def __init__(self, alpha, gamma):
        super().__init__(reduction=None, name="RetinaNetClassificationLoss")
        self._alpha = alpha
        self._gamma = gamma

    def call(self, y_true, y_pred):
        probs = ops.sigmoid(y_pred)
        cross_entropy = (
            ops.maximum(y_pred, 0) - y_pred * y_true + ops.log1p(ops.exp(-ops.abs(y_pred)))
        )
        alpha = ops.where(ops.equal(y_true, 1.0), self._alpha, (1.0 - self._alpha))
        pt = ops.where(ops.equal(y_true, 1.0), probs, 1 - probs)
        loss = alpha * ops.power(1.0 - pt, self._gamma) * cross_entropy
        return ops.sum(loss, axis=-1)


class RetinaNetLoss(keras.losses.Loss):
    def __init__(self, num_classes=3, alpha=0.25, gamma=2.0, delta=1.0):
        super().__init__(reduction="sum_over_batch_size", name="RetinaNetLoss")
        self._clf_loss = RetinaNetClassificationLoss(alpha, gamma)
        self._box_loss = RetinaNetBoxLoss(delta)
        self._num_classes = num_classes

    def call(self, y_true, y_pred):
        box_labels = y_true[:, :, :4]
        box_predictions = y_pred[:, :, :4]
        cls_labels = ops.one_hot(
            ops.cast(y_true[:, :, 4], "int32"), self._num_classes, dtype=y_pred.dtype
        )
        cls_predictions = y_pred[:, :, 4:]
        positive_mask = ops.cast(ops.greater(y_true[:, :, 4], -1.0), dtype=y_pred.dtype)
        ignore_mask = ops.cast(ops.equal(y_true[:, :, 4], -2.0), dtype=y_pred.dtype)
        clf_loss = self._clf_loss(cls_labels, cls_predictions)
        box_loss = self._box_loss(box_labels, box_predictions)
        clf_loss = ops.where(ops.equal(ignore_mask, 1.0), 0.0, clf_loss)
        box_loss = ops.where(ops.equal(positive_mask, 1.0), box_loss, 0.0)
        normalizer = ops.sum(positive_mask, axis=-1)
        clf_loss = ops.sum(clf_loss, axis=-1) / normalizer
        box_loss = ops.sum(box_loss, axis=-1) / normalizer
        return clf_loss + box_loss


def encoded_boxes(number):
    """Boxes relative to their anchors, and classes: -1 is background, -2 is ignored."""
    draw = np.random.default_rng(3)
    anchors = (8 * 12 + 4 * 6 + 2 * 3) * NUM_ANCHORS
    boxes = draw.normal(0, 1.2, (number, anchors, 4))
    classes = draw.choice([-2, -1, 0, 1, 2], (number, anchors, 1), p=[0.1, 0.5, 0.2, 0.1, 0.1])
    return np.concatenate([boxes, classes], axis=-1).astype("float32")


def build():
    model = RetinaNet(NUM_CLASSES, get_backbone())
    model.compile(
        loss=RetinaNetLoss(NUM_CLASSES),
        optimizer=keras.optimizers.SGD(
            learning_rate=keras.optimizers.schedules.PiecewiseConstantDecay(
                [2, 4], [0.01, 0.005, 0.001]
            ),
            momentum=0.9,
        ),
    )
    images = np.random.default_rng(2).normal(size=(24, 16, 24, 3)).astype("float32")
    return Reference(model, x=images, y=encoded_boxes(24))
