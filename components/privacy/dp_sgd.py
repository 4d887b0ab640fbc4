"""Gradient steps that protect users: each user's gradient is clipped, and noise is added to their sum.

A user's whole history is one example: its gradient is computed alone, in a backward pass of its own. Slow, and correct
for any loss. Source: Abadi et al. 2016 (DP-SGD), McMahan et al. 2018 (users as the unit).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.errors import ContractError
from components.params import PrivacyParams
from components.privacy.accounting import Budget, Mechanism
from components.privacy.noise import NoiseSource


@dataclass(frozen=True)
class PrivateSteps:
    """The planned steps; the number of users, the sample rate and the number of steps are public."""

    n_users: int
    sample_rate: float  # probability of each user to be in a step
    steps: int
    noise_multiplier: float
    clip_norm: float  # L2 norm to which a user's gradient is clipped

    @classmethod
    def plan(cls, params: PrivacyParams, share: float, n_users: int, epochs: int, max_steps: int = 2**62) -> Self:
        """Return the steps in which each user is expected `epochs` times, with the noise that the share asks for."""
        rate = min(1.0, params.users_per_step / n_users)
        steps = min(math.ceil(epochs / rate), max_steps)
        noise = Budget.of(params, share).noise_multiplier(rate, steps)
        return cls(n_users, rate, steps, noise, params.clip_norm)

    @property
    def steps_per_epoch(self) -> int:
        """Return after how many steps each user is expected once."""
        return math.ceil(1 / self.sample_rate)

    def sample(self, noise: NoiseSource, step: int) -> NDArray[np.int64]:
        """Return the users of a step, of 0..n_users - 1: each is in it independently of the others."""
        return np.flatnonzero(noise.uniform("sample", step, self.n_users) < self.sample_rate)

    def mechanism(self, name: str) -> Mechanism:
        """Return what the accountant needs to know."""
        return Mechanism(
            name=name, noise_multiplier=self.noise_multiplier, sample_rate=self.sample_rate, steps=self.steps
        )


class ClippedGradients:
    """The sum of clipped gradients of users, one after the other."""

    def __init__(self, parameters: Iterable[Tensor], clip_norm: float) -> None:
        self.parameters = [one for one in parameters if one.requires_grad]
        self.clip_norm = clip_norm
        self.total = torch.zeros(sum(p.numel() for p in self.parameters), device=self.parameters[0].device)

    def add(self, loss: Tensor) -> float:
        """Add the clipped gradient of one user's loss; return its norm before clipping.

        Raises ContractError for a gradient that is not finite.
        """
        found = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        flat = torch.cat(
            [
                torch.zeros_like(p).flatten() if g is None else g.flatten()
                for p, g in zip(self.parameters, found, strict=True)
            ]
        )
        norm = float(flat.double().norm())
        if not math.isfinite(norm):
            raise ContractError(f"private training: the gradient of a user has norm {norm}; lower the learning rate")
        self.total.add_(flat, alpha=min(1.0, self.clip_norm / max(norm, 1e-12)))
        return norm

    def set_noised_mean(self, noise: NoiseSource, step: int, plan: PrivateSteps) -> None:
        """Set `grad` of the parameters to the sum with noise over the expected number of users in a step."""
        total = self.total
        if plan.noise_multiplier:
            drawn = torch.from_numpy(noise.normal("gradient", step, len(total))).to(total)
            total = total + plan.noise_multiplier * plan.clip_norm * drawn
        mean, at = total / (plan.sample_rate * plan.n_users), 0
        for parameter in self.parameters:
            parameter.grad = mean[at : at + parameter.numel()].view_as(parameter).clone()
            at += parameter.numel()
