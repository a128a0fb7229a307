"""Layers that number integers by a hash: TensorFlow's, of the integer as it is written.

Source: keras 3.15 `layers/preprocessing/hashing.py`, `hashed_crossing.py`; farmhash
(`farmhashna::Hash64`); Aumasson and Bernstein, SipHash: a fast short-input PRF (2012); tensorflow
2.21 `core/platform/fingerprint.h`, `core/kernels/sparse_cross_op.cc`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from torch_impl.layers.categories import ENCODINGS, Encoding, encoded

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

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"num_bins={self.num_bins}, output_mode={self.output_mode!r}"


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

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"num_bins={self.num_bins}, output_mode={self.output_mode!r}"
