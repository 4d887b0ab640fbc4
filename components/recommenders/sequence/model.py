"""The network, in pure torch: it knows neither Lightning nor files. Shapes: b users, l places, d width, n items + 1."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.contracts import EVENTS
from components.params import Sequence
from components.recommenders.sequence.loss import cross_entropy

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
        q, k, v = (self._split(part) for part in self.qkv(self.norm1(x)).chunk(3, dim=-1))
        drop = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(q, k, v, dropout_p=drop, is_causal=True)
        return self._add(x, seen)

    def at(self, x: Tensor, place: Tensor) -> Tensor:
        """Return (b, 1, d): what `forward` gives at one place (b,) of each row, without computing the others."""
        query, keys = self.qkv.weight.chunk(3)[0], self.qkv.weight[len(self.out.weight) :]
        bias = self.qkv.bias
        normed = self.norm1(x)
        here = torch.arange(len(x), device=x.device)
        last = x[here, place].unsqueeze(1)  # (b, 1, d)
        q = functional.linear(normed[here, place].unsqueeze(1), query, bias[: len(query)])
        k, v = functional.linear(normed, keys, bias[len(query) :]).chunk(2, dim=-1)
        open_ = torch.arange(x.shape[1], device=x.device) <= place.unsqueeze(1)  # (b, l)
        mask = open_[:, None, None, :]
        seen = functional.scaled_dot_product_attention(self._split(q), self._split(k), self._split(v), attn_mask=mask)
        return self._add(last, seen)

    def _split(self, x: Tensor) -> Tensor:
        b, length, d = x.shape
        return x.view(b, length, self.heads, d // self.heads).transpose(1, 2)  # (b, heads, l, d / heads)

    def _add(self, x: Tensor, seen: Tensor) -> Tensor:
        drop = self.dropout if self.training else 0.0
        x = x + functional.dropout(self.out(seen.transpose(1, 2).flatten(2)), drop, self.training)
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
        x = self._embed(vectors, items, events)
        for block in self.blocks:
            x = block(x)
        return functional.normalize(self.norm(x), dim=-1)

    def newest(self, vectors: Tensor, items: Tensor, events: Tensor, place: Tensor) -> Tensor:
        """Return (b, d): the state of `forward` at one place (b,) of each row; the last block computes that one."""
        x = self._embed(vectors, items, events)
        *lower, last = self.blocks
        for block in lower:
            x = block(x)
        return functional.normalize(self.norm(cast(Block, last).at(x, place)[:, 0]), dim=-1)

    def _embed(self, vectors: Tensor, items: Tensor, events: Tensor) -> Tensor:
        place = torch.arange(items.shape[1], device=items.device)
        # not vectors[items]: the backward of an index adds in the order of threads, that of an embedding does not
        x = functional.embedding(items, vectors) + self.event(events) + self.position(place)  # (b, l, d)
        return functional.dropout(x, self.dropout, self.training)


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

    def __init__(self, items: Items, transformer: Transformer, params: Sequence) -> None:
        super().__init__()
        self.items, self.transformer, self.params = items, transformer, params

    def loss(self, items: Tensor, events: Tensor, weight: Tensor) -> Tensor:
        """Return the mean cross-entropy of each next item over the catalogue, weighted by its event.

        items, events: (b, l) with the start place first; weight (b, l), 0 at the start place and where there is none.
        """
        vectors = self.items()  # (n, d), once a step
        states = self.transformer(vectors, items[:, :-1], events[:, :-1])  # (b, l - 1, d)
        real = torch.nonzero(weight[:, 1:].flatten() > 0)[:, 0]  # only where something follows
        states, targets = states.flatten(0, 1)[real], items[:, 1:].flatten()[real]  # (places, d), (places,)
        chosen, bias = self._softmax_over(targets, len(vectors))
        if chosen is not None:
            vectors = vectors[chosen]
            targets = torch.searchsorted(chosen, targets)
        return cross_entropy(states, vectors, targets, weight[:, 1:].flatten()[real], bias, self.params.temperature)

    def _softmax_over(self, targets: Tensor, n: int) -> tuple[Tensor | None, Tensor]:
        """Return the items of this step's softmax (None: all n), ascending, and what is added to their logits.

        In a catalogue of more than `softmax_items` these are the targets and that many of the others, drawn evenly;
        a drawn one stands for all that were not: minus the log of its chance is added.
        """
        if n - 1 <= self.params.softmax_items:
            bias = torch.zeros(n, device=targets.device)
            bias[0] = -torch.inf  # no item
            return None, bias
        other = torch.ones(n, dtype=torch.bool, device=targets.device)
        other[0] = other[targets] = False
        pool = torch.nonzero(other)[:, 0]
        drawn = pool[torch.randperm(len(pool), device=targets.device)[: self.params.softmax_items]]
        bias = torch.zeros(n, device=targets.device)
        bias[drawn] = math.log(len(pool) / max(1, len(drawn)))
        chosen = torch.cat([torch.unique(targets), drawn]).sort().values
        return chosen, bias[chosen]
