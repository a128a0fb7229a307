"""Cases of random layers of images as rows of both matrices."""

from __future__ import annotations

from benchmarks.pairs.fault_table import Fault
from benchmarks.pairs.table import Pair

PACKAGE = "benchmarks.image_cases"

RIGHT = tuple(
    Pair(f"{PACKAGE}.keras_side:{model}", f"{PACKAGE}.right:{model}_{style}")
    for model, styles in (
        row.split(maxsplit=1)
        for row in """
        flipped torchvision each function library loader
        turned library
        turned_on_black torchvision loader each
        shifted torchvision library
        zoomed each
        lit by_hand library library_behind
        signed torchvision filled
        piped library torchvision
        cropped library by_hand
        """.strip().splitlines()
    )
    for style in styles.split()
)
FAULTS = tuple(
    Fault(
        port,
        f"{PACKAGE}.keras_side:{model}",
        f"{PACKAGE}.wrong:{port}",
        tuple(ids.split(",")),
        "forward",
    )
    for model, port, ids in (
        row.split()
        for row in """
        flipped flipped_vertically K2
        flipped flipped_always K2
        flipped flipped_in_eval K1
        flipped flipped_other_axis K2,K10
        turned_on_black turned_by_degrees K3
        turned_on_black turned_by_half K3
        turned_on_black turned_without_flip K9
        turned_on_black turned_nearest K6
        turned turned_on_black K6
        turned_on_black turned_in_loader K3
        turned_on_black turned_reflected K6,K10
        shifted shifted_exchanged K5
        zoomed zoomed_less K4
        lit lit_jitter K7,K8,K9
        lit lit_behind K8
        lit lit_without_contrast K9
        signed signed_behind K8,K6
        piped piped_in_eval K1
        piped piped_without_move K9
        cropped cropped_in_the_middle K9,K5,A18
        """.strip().splitlines()
    )
)
