"""The network, in pure torch: it knows neither Lightning nor files. Shapes: b users, l places, d width, n items + 1."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.contracts import EVENTS
from components.params import Sequence

START = len(EVENTS)  # code of the place before the first event: what an unknown user consists of


class Block(nn.Module):
    """One pre-norm transformer block, causal."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return (b, l, d); a place sees itself and earlier ones."""
        b, length, d = x.shape
        parts = self.qkv(self.norm1(x)).view(b, length, 3, self.heads, d // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (b, heads, l, d / heads)
        drop = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(q, k, v, dropout_p=drop, is_causal=True)
        x = x + functional.dropout(self.out(seen.transpose(1, 2).reshape(b, length, d)), drop, self.training)
        return x + functional.dropout(self.mlp(self.norm2(x)), drop, self.training)


class Transformer(nn.Module):
    """History in, state out; items come as vectors, so it serves without knowing where these come from."""

    def __init__(self, params: Sequence) -> None:
        super().__init__()
        self.dropout = params.dropout
        self.event = nn.Embedding(len(EVENTS) + 1, params.dim)
        self.position = nn.Embedding(params.max_length + 1, params.dim)  # 0 is the start place
        self.blocks = nn.ModuleList(Block(params.dim, params.heads, params.dropout) for _ in range(params.blocks))
        self.norm = nn.LayerNorm(params.dim)
        for table in (self.event, self.position):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, vectors: Tensor, items: Tensor, events: Tensor) -> Tensor:
        """Return the unit state at each place, (b, l, d), from items and events (b, l) that start with (0, START).

        vectors: (n, d) unit rows, row 0 zero. Places after a history's end hold anything: earlier places do not see
        them.
        """
        place = torch.arange(items.shape[1], device=items.device)
        # not vectors[items]: with threads the gradient of an index adds up in any order, that of an embedding does not
        x = functional.embedding(items, vectors) + self.event(events) + self.position(place)  # (b, l, d)
        x = functional.dropout(x, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        return functional.normalize(self.norm(x), dim=-1)


class Items(nn.Module):
    """Item vectors: projected text plus an id vector that fades in with evidence."""

    def __init__(self, text: Tensor, evidence: Tensor, params: Sequence) -> None:
        """Text is (n, text dim), frozen; evidence is (n,) events of each item in training."""
        super().__init__()
        self.text: Tensor
        self.fade: Tensor
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("fade", (evidence / (evidence + params.id_evidence)).unsqueeze(1), persistent=False)
        self.project = nn.Linear(text.shape[1], params.dim)
        self.own = nn.Embedding(len(text), params.dim)
        nn.init.normal_(self.own.weight, std=params.dim**-0.5)

    def forward(self) -> Tensor:
        """Return (n, d) unit rows; row 0, no item, is zero."""
        vectors = self.project(self.text) + self.fade * self.own.weight
        vectors = functional.normalize(vectors, dim=-1)
        return torch.cat([torch.zeros_like(vectors[:1]), vectors[1:]])


class Net(nn.Module):
    """Items and transformer together: what training moves."""

    def __init__(self, items: Items, transformer: Transformer, temperature: float) -> None:
        super().__init__()
        self.items, self.transformer, self.temperature = items, transformer, temperature

    def loss(self, items: Tensor, events: Tensor, weight: Tensor) -> Tensor:
        """Return the mean cross-entropy of each next item over the whole catalogue, weighted by its event.

        items, events: (b, l) with the start place first; weight (b, l), 0 at the start place and where there is none.
        """
        vectors = self.items()  # (n, d), once a step
        states = self.transformer(vectors, items[:, :-1], events[:, :-1])  # (b, l - 1, d)
        real = weight[:, 1:] > 0
        logits = (states[real] / self.temperature) @ vectors[1:].T  # (places, n - 1): only where something follows
        losses = functional.cross_entropy(logits, items[:, 1:][real] - 1, reduction="none")
        weights = weight[:, 1:][real]
        return (losses * weights).sum() / weights.sum()
