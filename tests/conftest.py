import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _steady():
    """Tiny tensors gain nothing from a second thread, they only wait for it; every test starts from the same random state."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
