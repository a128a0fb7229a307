"""Layers that number values, also by a hash, and layers that encode such numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from torch_impl.layers.layer import Layer

# --- Layers that number values, and layers that encode such numbers -------------------------------
#
# Source: keras 3.15 `layers/preprocessing/category_encoding.py`, `discretization.py`,
# `integer_lookup.py`, `utils/numerical_utils.py`.


ENCODINGS = ("one_hot", "multi_hot", "count")


def encoded(
    x: torch.Tensor,
    depth: int,
    output_mode: str,
    dtype: torch.dtype,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Returns integers as Keras encodes them.

    Args:
        x: integers (N, ...), each in [0, depth).
        depth: number of categories, the length of the last axis of the result.
        output_mode: "one_hot" for a vector for each integer, "multi_hot" for whether a category
            occurs along axis 1, "count" for how often.
        dtype: of the result.
        weights: with which integers count, of the shape of x.
    """
    if output_mode == "one_hot" and x.ndim > 1 and x.shape[-1] == 1:
        x = x.squeeze(-1)
    hot = (x.long().unsqueeze(-1) == torch.arange(depth, device=x.device)).to(dtype)
    if output_mode == "one_hot":
        return hot
    axis = 1 if x.ndim > 1 else 0
    if output_mode == "multi_hot":
        return hot.amax(axis)
    return (hot if weights is None else hot * weights.to(dtype).unsqueeze(-1)).sum(
        axis, dtype=dtype
    )


class Encoding(Layer):
    """Base of layers that encode numbers: keeps the dtype of the result, as the module does.

    Args:
        output_mode: one of `modes`.
        modes: that the layer has.
        dtype: of the result.

    Raises:
        ValueError: it has no such mode.
    """

    like: torch.Tensor

    def __init__(self, output_mode: str, modes: Sequence[str], dtype: torch.dtype) -> None:
        super().__init__()
        if output_mode not in modes:
            raise ValueError(f"{output_mode=}: expected one of {tuple(modes)}")
        self.output_mode = output_mode
        self.register_buffer("like", torch.empty(0, dtype=dtype), persistent=False)


class CategoryEncoding(Encoding):
    """Encodes integers by vectors of a fixed length; torch has `one_hot` only.

    Args:
        num_tokens: length of a vector.
        output_mode: "one_hot", "multi_hot" or "count": see `encoded`.
        dtype: of the result.
    """

    def __init__(
        self,
        num_tokens: int,
        output_mode: str = "multi_hot",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(output_mode, ENCODINGS, dtype)
        self.num_tokens = num_tokens

    def forward(self, x: torch.Tensor, count_weights: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, num_tokens), or (N, ..., num_tokens) for "one_hot".

        Args:
            x: integers (N, ...) in [0, num_tokens).
            count_weights: of the shape of x, for "count".
        """
        return encoded(x, self.num_tokens, self.output_mode, self.like.dtype, count_weights)


class Discretization(Encoding):
    """Numbers the interval in which a value lies, from 0; a boundary belongs to the upper one.

    Args:
        bin_boundaries: in rising order; they are rounded to float32, as in Keras.
        output_mode: "int" for the number of the interval, int32, or a mode of `encoded`.
        dtype: of the result, unless that is a number.
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float],
        output_mode: str = "int",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(output_mode, ("int", *ENCODINGS), dtype)
        self.bin_boundaries = [float(value) for value in bin_boundaries]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the numbers, of the shape of x, or their encoding."""
        edges = torch.tensor(self.bin_boundaries, dtype=torch.float32, device=x.device)
        found = torch.bucketize(x.double().contiguous(), edges.double(), right=True)
        if self.output_mode == "int":
            return found.to(torch.int32)
        return encoded(found, len(self.bin_boundaries) + 1, self.output_mode, self.like.dtype)


class IntegerLookup(Layer):
    """Numbers integers by a vocabulary.

    A number is 0 for the mask token, if there is one; then come those of integers that are not in
    the vocabulary, and then those of the vocabulary in its order.

    Args:
        vocabulary: different integers.
        num_oov_indices: numbers for others, which get their rest by it; with 0 they are an error.
        mask_token: the integer of number 0; None: there is none.
        output_mode: "int", or a mode of `encoded`, which has no mask token.
        depth: length of an encoding; None: that of the vocabulary and the numbers for others.
    """

    keys: torch.Tensor
    numbers: torch.Tensor

    def __init__(
        self,
        vocabulary: Sequence[int],
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        output_mode: str = "int",
        depth: int | None = None,
    ) -> None:
        super().__init__()
        if output_mode not in ("int", *ENCODINGS):
            raise ValueError(f"{output_mode=}: expected one of {('int', *ENCODINGS)}")
        if mask_token is not None and output_mode != "int":
            raise ValueError(f"{mask_token=} with {output_mode=}: expected None, or 'int'")
        if not vocabulary or len(set(vocabulary)) < len(vocabulary):
            raise ValueError(f"{vocabulary=}: expected different integers, at least one")
        self.num_oov_indices, self.mask_token = num_oov_indices, mask_token
        self.output_mode = output_mode
        self.start = int(mask_token is not None)
        self.depth = depth or len(vocabulary) + num_oov_indices
        keys, order = torch.tensor(list(vocabulary)).sort()
        self.register_buffer("keys", keys, persistent=False)
        numbers = order + self.start + num_oov_indices
        self.register_buffer("numbers", numbers, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the numbers (int64), of the shape of x, or their encoding.

        Raises:
            ValueError: an integer is not in the vocabulary, and there is no number for it.
        """
        x = x.long().contiguous()
        places = torch.searchsorted(self.keys, x).clamp(max=len(self.keys) - 1)
        is_known = self.keys[places] == x
        if self.num_oov_indices:
            others = self.start + x.remainder(self.num_oov_indices)
        else:
            others = torch.full_like(x, -1)
        found = torch.where(is_known, self.numbers[places], others)
        if self.mask_token is not None:
            found = torch.where(x == self.mask_token, 0, found)
        if not self.num_oov_indices and bool((found < 0).any()):
            raise ValueError(
                f"{int(x[found < 0][0])} is not in the vocabulary: expected num_oov_indices of at "
                "least 1, or one of the vocabulary"
            )
        if self.output_mode == "int":
            return found
        return encoded(found, self.depth, self.output_mode, torch.int64)


# --- Layers that number integers by a hash: TensorFlow's, of the integer as it is written ---------
#
# Source: keras 3.15 `layers/preprocessing/hashing.py`, `hashed_crossing.py`; farmhash
# (`farmhashna::Hash64`); Aumasson and Bernstein, SipHash: a fast short-input PRF (2012); tensorflow
# 2.21 `core/platform/fingerprint.h`, `core/kernels/sparse_cross_op.cc`.


_ALL = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_CAT = 0xC6A4A7935BD1E995
_CROSS_KEY = 0xDECAFCAFFE


def fingerprint(text: bytes) -> int:
    """Returns the 64 bits of farmhash of a text of at most 32 bytes.

    Raises:
        ValueError: it is longer.
    """
    length = len(text)
    factor = (_K2 + 2 * length) & _ALL
    if length > 32:
        raise ValueError(f"text of {length} bytes: expected at most 32")
    if length > 16:
        a, b = _number(text[:8]) * _K1 & _ALL, _number(text[8:16])
        c, d = _number(text[-8:]) * factor & _ALL, _number(text[-16:-8]) * _K2 & _ALL
        first = _rotated(a + b, 43) + _rotated(c, 30) + d
        return _mixed(first, a + _rotated(b + _K2, 18) + c, factor)
    if length >= 8:
        a, b = (_number(text[:8]) + _K2) & _ALL, _number(text[-8:])
        c = _rotated(b, 37) * factor + a
        return _mixed(c, (_rotated(a, 25) + b) * factor, factor)
    if length >= 4:
        return _mixed(length + (_number(text[:4]) << 3), _number(text[-4:]), factor)
    if length:
        y, z = text[0] + (text[length // 2] << 8), length + (text[-1] << 2)
        return _shifted((y * _K2 ^ z * _K0) & _ALL) * _K2 & _ALL
    return _K2


def _number(text: bytes) -> int:
    return int.from_bytes(text, "little")


def _rotated(value: int, places: int) -> int:
    """Returns 64 bits, rotated to the right."""
    value &= _ALL
    return (value >> places | value << (64 - places)) & _ALL


def _shifted(value: int) -> int:
    return value ^ value >> 47


def _mixed(first: int, second: int, factor: int) -> int:
    a = _shifted(((first ^ second) & _ALL) * factor & _ALL)
    return _shifted(((second ^ a) & _ALL) * factor & _ALL) * factor & _ALL


def siphash(text: bytes, key: Sequence[int]) -> int:
    """Returns SipHash-2-4 of a text.

    Args:
        text: of any length.
        key: two numbers of 64 bits.
    """
    words = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    v = [(key[n % 2] ^ word) & _ALL for n, word in enumerate(words)]

    def turn(times: int) -> None:
        for _ in range(times):
            v[0] = (v[0] + v[1]) & _ALL
            v[1] = _rotated(v[1], 51) ^ v[0]
            v[0] = _rotated(v[0], 32)
            v[2] = (v[2] + v[3]) & _ALL
            v[3] = _rotated(v[3], 48) ^ v[2]
            v[0] = (v[0] + v[3]) & _ALL
            v[3] = _rotated(v[3], 43) ^ v[0]
            v[2] = (v[2] + v[1]) & _ALL
            v[1] = _rotated(v[1], 47) ^ v[2]
            v[2] = _rotated(v[2], 32)

    whole = len(text) // 8 * 8
    parts = [_number(text[start : start + 8]) for start in range(0, whole, 8)]
    for word in (*parts, _number(text[whole:]) | (len(text) & 255) << 56):
        v[3] ^= word
        turn(2)
        v[0] ^= word
    v[2] ^= 255
    turn(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def crossed(values: Sequence[int]) -> int:
    """Returns the hash of several integers together."""
    found = _CROSS_KEY
    for value in values:
        found ^= _CAT
        found ^= _shifted((value & _ALL) * _CAT & _ALL) * _CAT & _ALL
        found = found * _CAT & _ALL
        found = _shifted(_shifted(found) * _CAT & _ALL)
    return found


def _numbered(rows: torch.Tensor, hashed: Callable[[list[int]], int]) -> torch.Tensor:
    """Returns the hash of each row of (rows, n), each different row computed once."""
    different, places = rows.cpu().unique(dim=0, return_inverse=True)
    found = torch.tensor([hashed(row) for row in different.tolist()], dtype=torch.int64)
    return found[places].to(rows.device)


class Hashing(Encoding):
    """Numbers integers by a hash; torch has none.

    Args:
        num_bins: how many numbers there are.
        mask_value: the integer of number 0, which no other one gets then; None: there is none.
        salt: one integer, or two, for SipHash; None: farmhash.
        output_mode: "int" for the numbers, int64, or a mode of `encoded`.
        dtype: of an encoding.

    Raises:
        ValueError: an argument has another form.
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: int | None = None,
        salt: int | Sequence[int] | None = None,
        output_mode: str = "int",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(output_mode, ("int", *ENCODINGS), dtype)
        if num_bins < 1:
            raise ValueError(f"{num_bins=}: expected at least 1")
        self.key = (salt, salt) if isinstance(salt, int) else salt
        if self.key is not None and len(self.key) != 2:
            raise ValueError(f"{salt=}: expected one integer, two, or None")
        self.num_bins = num_bins
        # With one bin, Keras reserves none.
        self.mask_value = mask_value if num_bins > 1 else None

    def _bin(self, row: list[int]) -> int:
        if row[0] == self.mask_value:
            return 0
        text, start = str(row[0]).encode(), int(self.mask_value is not None)
        found = fingerprint(text) if self.key is None else siphash(text, self.key)
        return start + found % (self.num_bins - start)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the numbers (int64), of the shape of x, or their encoding.

        Args:
            x: integers (N, ...); real numbers are cut off to integers.
        """
        numbers = _numbered(x.long().reshape(-1, 1), self._bin).reshape(x.shape)
        if self.output_mode == "int":
            return numbers
        return encoded(numbers, self.num_bins, self.output_mode, self.like.dtype)


class HashedCrossing(Encoding):
    """Numbers pairs of integers, or more of them, by one hash; torch has none.

    Args:
        num_bins: how many numbers there are.
        output_mode: "int" for the numbers, int64, or "one_hot".
        dtype: of an encoding.

    Raises:
        ValueError: an argument has another form.
    """

    def __init__(
        self, num_bins: int, output_mode: str = "int", dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(output_mode, ("int", "one_hot"), dtype)
        if num_bins < 1:
            raise ValueError(f"{num_bins=}: expected at least 1")
        self.num_bins = num_bins

    def forward(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Returns the numbers (int64), or their encoding.

        Args:
            inputs: integers (N,) or (N, 1) each.
        """
        rows = torch.stack([x.long().reshape(-1) for x in inputs], dim=1)
        numbers = _numbered(rows, lambda row: crossed(row) % self.num_bins).reshape(inputs[0].shape)
        if self.output_mode == "int":
            return numbers
        return encoded(numbers, self.num_bins, self.output_mode, self.like.dtype)
