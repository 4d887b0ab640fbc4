"""Several networks as one: trained side by side on the same batches, their scores averaged."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from components.recommenders.sequence.model import Net


class Ensemble(nn.Module):
    """Networks of one kind from different random weights, trained side by side; their scores are averaged."""

    def __init__(self, members: Sequence[Net]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def nets(self) -> list[Net]:
        """Return the members."""
        return [cast(Net, member) for member in self.members]

    def loss(self, *batch: Any) -> Tensor:
        """Return the sum of the members' losses: each one's gradient is that of a training of its own."""
        return torch.stack([net.loss(*batch) for net in self.nets]).sum()
