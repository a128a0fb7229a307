"""What tests of ports share: both frameworks compute in float64 where a file asks for it."""

import pytest
import torch
from changed_functions import set_dtypes


@pytest.fixture(autouse=True)
def _float64(request):
    """Keras always, and torch in a file that has TORCH_IN_FLOAT64; the seed is that of each test.

    The fixture of all tests sets dtypes and generators back.
    """
    is_wide = getattr(request.module, "TORCH_IN_FLOAT64", False)
    set_dtypes(torch.float64 if is_wide else torch.float32, "float64", "float64")
    torch.manual_seed(0)
