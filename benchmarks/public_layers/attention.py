"""Attention: heads, sizes, masks, axes, scores."""

from __future__ import annotations

from typing import Any

from benchmarks.public_layers.setting import Given, Setting, settings

_RULES = {
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l2",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
}
_DROPPED = {"dropout": 0.3, "seed": 3}
_TWO = (Given((5, 6)), Given((4, 6)))
_EQUAL = (Given((5, 6)), Given((5, 6)))
_THREE = (Given((5, 6)), Given((4, 6)), Given((4, 6)))
_MASKED = (Given((5, 6), is_masked=True), Given((4, 6), is_masked=True))
_HEADS = {"num_heads": 2, "key_dim": 3}
_GROUPS = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}


def _heads(kind: str, least: dict[str, Any], *more: dict[str, Any]) -> list[Setting]:
    return [
        *settings(
            kind,
            _TWO,
            least,
            {**least, **_DROPPED},
            {**least, "use_bias": False, "use_gate": True},
            {**least, **_RULES},
            *more,
            form="separate",
        ),
        *settings(kind, _TWO, {**least, "sliding_window": 2}, form="separate"),
        # Of as many keys as queries: for others, the shape that Keras infers is not that of scores.
        *settings(kind, _EQUAL, least, form="separate", options={"return_attention_scores": True}),
        *settings(kind, _TWO, least, form="separate", options={"use_causal_mask": True}),
        *settings(kind, _MASKED, least, form="separate"),
    ]


SETTINGS = [
    *_heads(
        "MultiHeadAttention",
        _HEADS,
        {**_HEADS, "value_dim": 5, "output_shape": 4, "flash_attention": False},
    ),
    *settings(
        "MultiHeadAttention",
        (Given((3, 4, 5)), Given((3, 4, 5))),
        {**_HEADS, "attention_axes": 2},
        form="separate",
    ),
    *settings(
        "MultiHeadAttention",
        (Given((5, 6)), Given((4, 3)), Given((4, 2))),
        {**_HEADS, "value_dim": 5},
        form="separate",
    ),
    *_heads("GroupQueryAttention", _GROUPS, {**_GROUPS, "flash_attention": False}),
    *settings(
        "Attention",
        _TWO,
        {},
        {"use_scale": True, **_DROPPED},
        {"score_mode": "concat"},
        form="list",
    ),
    *settings("Attention", _TWO, {}, form="list", options={"use_causal_mask": True}),
    *settings("Attention", _TWO, {}, form="list", options={"return_attention_scores": True}),
    *settings("Attention", _THREE, {"use_scale": True}, form="list"),
    *settings("Attention", _MASKED, {}, form="list"),
    *settings(
        "AdditiveAttention",
        _TWO,
        {},
        {"use_scale": False},
        {**_DROPPED},
        form="list",
    ),
    *settings("AdditiveAttention", _THREE, {}, form="list"),
    *settings("AdditiveAttention", _MASKED, {}, form="list"),
]
