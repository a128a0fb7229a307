"""The checksum of checkpoints, against the values in RFC 3720 and a plain loop."""

import numpy as np
from rows import each_row

from parity.weights.checkpoint import crc32c, unmasked


@each_row(
    ("data", "expected"),
    [  # RFC 3720, B.4
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_known_values(data, expected):
    assert crc32c(data) == expected


def plain(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


@each_row("length", [1, 255, 256, 257, 511, 513, 1024, 3001])
def test_pieces_give_what_a_loop_gives(length):
    data = np.random.default_rng(length).bytes(length)
    assert crc32c(data) == plain(data)


def test_a_masked_sum_is_the_rotation_plus_a_constant():
    value = 0x12345678
    assert unmasked((((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF) == value
