"""Ports of a file `NAME_torch.py`, each checked against the model of its name in `NAME_keras.py`.

A port is a function MODEL or MODEL__WAY.
"""

from paths import SUPPORT

from parity.halves.options import ChildOptions
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_options import CheckOptions

# Of the training of a check, which makes twice as many by itself: a batch of each size, full, less,
# and one sample; and the learning rate is cut before the third.
FEW_STEPS = 3


def ports_in(module):
    """Names of the ports that a module defines."""
    own = (n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__)
    return [name for name in own if name[0].islower()]


def checked_ports(module):
    """The result of every port of a module by name, in one process for each half."""
    file, ports = module.__name__, ports_in(module)
    specs = [
        CheckSpec(
            keras=f"{file.removesuffix('_torch')}_keras.py:{name.partition('__')[0]}",
            torch=f"{file}.py:{name}",
            steps=FEW_STEPS,
            folder=str(SUPPORT),
        )
        for name in ports
    ]
    results = check_all(specs, CheckOptions(children=ChildOptions(workers=1)))
    return dict(zip(ports, results, strict=True))
