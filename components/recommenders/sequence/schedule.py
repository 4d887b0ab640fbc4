"""The learning rate of a step, as a factor of trainer.learning_rate."""

import math


def lr_multiplier(step: int, steps: int, warmup_share: float) -> float:
    """Return the factor: linear warm-up over warmup_share of all steps, then a cosine down to a twentieth."""
    warmup = max(1, int(warmup_share * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup)))) * 0.95 + 0.05
