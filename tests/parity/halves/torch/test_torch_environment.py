"""What is set before torch is imported; nobody waits for what a program does not use."""

import subprocess
import sys

from paths import ROOT

PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import parity.halves.torch
import torch_impl
from parity.programs.check_spec import CheckSpec

parity.halves.torch.configure(CheckSpec(torch="a:b"))
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

from parity.data.load import run_data
from parity.programs.scenarios import scenario

spec = scenario("dropout").replace(epochs=1, train_size=40, val_size=20)
parity.halves.torch.configure(spec)
data = run_data(spec)
torch_impl.fit(spec, data)
parity.halves.torch.run_program  # imports the half of the harness
from parity.halves.torch.scenarios import program
torch_impl.Trainer(program(spec)).fit(data.x_train, data.y_train, epochs=1)
assert "torchvision" not in sys.modules, "nothing is augmented"
assert "torch._dynamo" not in sys.modules, "the compiler was imported"
compiled = module()
second = trained(compiled, torch.compile(compiled, backend="eager"))
assert "torch._dynamo" in sys.modules
assert torch.equal(first, second)
print("done", torch.get_num_threads())
"""


def test_a_run_needs_neither_torchvision_nor_the_compiler_and_optimizers_work_beside_it():
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT))],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.stdout == "done 1\n", ended.stderr
