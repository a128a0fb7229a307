"""What of train.py feeds images as the Keras program does: its generators, and its `Dataset.map`.

The description of a feed goes in, as the Keras half tells it. Source comes out, and a sentence for
all that is described and was not written: a part that no rule here takes cannot be silent.
"""

from __future__ import annotations

from parity.ports.feed import Facts, Feed, Model
from parity.ports.flow_text import write_flow
from parity.ports.map_text import write_maps
from parity.ports.wrapping import wrapped

UNSPLIT = """    if given.validation_split:
        raise SystemExit("--validation-split: fit gets batches; put x_val and y_val into the file")
"""


def feed_of(fit: Facts, model: Model) -> Feed:
    """Returns how a training is fed.

    Args:
        fit: what the Keras half tells of `fit`, with "feed".
        model: of a map of layers and the name of a file, returns the name of its class, the source
            of the file, the statements that draw its seeds from `seeds`, and sentences on what it
            lacks; None if it cannot be written.
    """
    told, found = fit.get("feed") or {}, Feed()
    for name, prefix in (("x", ""), ("validation", "validation_")):
        given = told.get(name)
        if given is not None and given["kind"] == "flow":
            write_flow(given, prefix, fit, found)
        elif given is not None:
            write_maps(given, prefix, model, found)
    return found


def fed_text(fit: Facts, feed: Feed) -> str:
    """Returns the arguments of `Trainer.fit`, in lines.

    Args:
        fit: what the Keras half tells of `fit`.
        feed: of the program.
    """
    validation = feed.validation or 'read(file, "_val")'
    texts = ["x", "y", "sample_weight=weight", "batch_size=given.batch_size"]
    texts += ["validation_split=validation_share(file, given.validation_split)"]
    if feed.is_written:
        texts = [*feed.training, "class_weight=port.class_weight"]
    texts += ["epochs=given.epochs", f"shuffle={fit.get('shuffle') is not False}"]
    texts += [f"validation_data={validation} if is_validated(file) else None"]
    lines = []
    for text in texts:
        made = wrapped(f"        {text}", behind=1)
        lines += [*made[:-1], f"{made[-1]},"]
    return "\n".join(lines)
