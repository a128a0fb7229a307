"""What is set before torch is imported; a check does not pay for a compiler that it never uses."""

import subprocess
import sys

from paths import ROOT

PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import torch_impl
from parity.programs.check_spec import CheckSpec

torch_impl.configure(CheckSpec(torch="a:b"))
import torch
from torch_impl.optim import Adam

def trained(module, step):
    optimizer = Adam([{{"params": [module.weight]}}], 0.1)
    optimizer.add_param_group({{"params": [module.bias]}})
    for _ in range(3):
        optimizer.zero_grad()
        step(torch.ones(2, 3)).sum().backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    return module.weight.detach().clone()

def module():
    torch.manual_seed(1)
    return torch.nn.Linear(3, 2)

torch.optim.AdamW(module().parameters()).zero_grad()
plain = module()
first = trained(plain, plain)
assert "torch._dynamo" not in sys.modules, "the compiler was imported"
compiled = module()
second = trained(compiled, torch.compile(compiled, backend="eager"))
assert "torch._dynamo" in sys.modules
assert torch.equal(first, second)
print("done", torch.get_num_threads())
"""


def test_optimizers_work_without_the_compiler_and_beside_it():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT))],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.stdout == "done 1\n", ended.stderr
