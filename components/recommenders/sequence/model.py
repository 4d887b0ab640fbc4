"""The network, in pure torch: it knows neither Lightning nor files.

Shapes: p pieces of histories, t places in all of them, d width, n items + 1. No place is padding.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.contracts import EVENTS
from components.params import SequenceParams
from components.recommenders.sequence.graph import Graph, GraphAttention
from components.recommenders.sequence.loss import cross_entropy
from components.recommenders.sequence.profile import WIDTH

START = len(EVENTS)  # code of the place before the first event: what an unknown user consists of
GAPS = 16  # codes of the time between an event and the one before it


class Packed(NamedTuple):
    """Pieces end to end, each with its start place first; those of equal length are neighbours."""

    items: Tensor  # (t,) 0 at a start place
    events: Tensor  # (t,) START at a start place
    places: Tensor  # (t,) 0 at a start place, then 1, 2, ...
    gaps: Tensor  # (t,) code of the time since the event before
    profile: Tensor  # (t, WIDTH) the user's profile at the place
    older: Tensor  # items of events before the pieces, one piece's after the other's
    older_at: Tensor  # (p,) where the older items of each piece begin
    groups: tuple[tuple[int, int], ...]  # pieces and their length, in the order of the places

    def on(self, device: torch.device) -> Self:
        """Return the same on a device."""
        parts = {name: part.to(device) for name, part in self._asdict().items() if isinstance(part, Tensor)}
        return self._replace(**parts)  # type: ignore[arg-type]


class Block(nn.Module):
    """One pre-norm transformer block, causal; attention runs group by group, all else over all places at once."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, groups: tuple[tuple[int, int], ...]) -> Tensor:
        """Return (t, d) from (t, d); a place sees itself and earlier ones of its piece."""
        drop = self.dropout if self.training else 0.0
        qkv = self.qkv(self.norm1(x))
        seen = []
        for part, pieces, length in _parts(groups):
            q, k, v = qkv[part].view(pieces, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # (p, heads, l, d / h)
            mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=drop, is_causal=True)
            seen.append(mixed.transpose(1, 2).reshape(pieces * length, -1))
        return self._add(x, torch.cat(seen))

    def newest(self, x: Tensor, groups: tuple[tuple[int, int], ...]) -> Tensor:
        """Return (p, d): what `forward` gives at the last place of each piece, without computing the others."""
        query, keys = self.qkv.weight.chunk(3)[0], self.qkv.weight[len(self.out.weight) :]
        bias = self.qkv.bias
        normed, ends = self.norm1(x), last_places(groups)
        q = functional.linear(normed[ends], query, bias[: len(query)])
        kv = functional.linear(normed, keys, bias[len(query) :])
        seen, at = [], 0
        for part, pieces, length in _parts(groups):
            asking = q[at : at + pieces].view(pieces, 1, self.heads, -1).transpose(1, 2)
            k, v = kv[part].view(pieces, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(asking, k, v)
            seen.append(mixed.transpose(1, 2).reshape(pieces, -1))
            at += pieces
        return self._add(x[ends], torch.cat(seen))

    def _add(self, x: Tensor, seen: Tensor) -> Tensor:
        drop = self.dropout if self.training else 0.0
        x = x + functional.dropout(self.out(seen), drop, self.training)
        return x + functional.dropout(self.mlp(self.norm2(x)), drop, self.training)


class Transformer(nn.Module):
    """Histories in, states out; items come as vectors, so it serves without knowing where these come from."""

    def __init__(self, params: SequenceParams) -> None:
        super().__init__()
        self.dropout = params.dropout
        self.event = nn.Embedding(len(EVENTS) + 1, params.dim)
        self.place = nn.Embedding(params.max_length + 1, params.dim)
        self.gap = nn.Embedding(GAPS, params.dim)
        self.profile = nn.Linear(WIDTH, params.dim, bias=False) if params.profile else None
        self.older = nn.Linear(params.dim, params.dim, bias=False)
        self.blocks = nn.ModuleList(Block(params.dim, params.heads, params.dropout) for _ in range(params.blocks))
        self.norm = nn.LayerNorm(params.dim)
        self.heads = nn.Embedding(len(EVENTS), params.dim) if params.event_heads else None
        for table in (self.event, self.place, self.gap):
            nn.init.normal_(table.weight, std=0.02)
        if self.profile is not None:
            nn.init.normal_(self.profile.weight, std=0.02)
        if self.heads is not None:
            nn.init.zeros_(self.heads.weight)

    def forward(self, vectors: Tensor, packed: Packed, kinds: Tensor) -> Tensor:
        """Return the unit state at each place, (t, d), where the next event is of kind (t,); vectors: (n, d) unit rows.

        Row 0 of the vectors is zero.
        """
        x = self._embed(vectors, packed)
        for block in self.blocks:
            x = block(x, packed.groups)
        return self.ask(self.norm(x), kinds)

    def newest(self, vectors: Tensor, packed: Packed) -> Tensor:
        """Return (p, d): what `forward` asks its heads with at the last place of each piece."""
        x = self._embed(vectors, packed)
        *lower, last = self.blocks
        for block in lower:
            x = block(x, packed.groups)
        found: Tensor = self.norm(cast(Block, last).newest(x, packed.groups))
        return found

    def ask(self, x: Tensor, kinds: Tensor) -> Tensor:
        """Return the unit states (t, d) of x (t, d) under the head of each one's kind of event (t,)."""
        return functional.normalize(x if self.heads is None else x * (1 + self.heads(kinds)), dim=-1)

    def _embed(self, vectors: Tensor, packed: Packed) -> Tensor:
        # not vectors[items]: the backward of an index adds in the order of threads, that of an embedding does not
        x = functional.embedding(packed.items, vectors)
        x = x + self.event(packed.events) + self.place(packed.places) + self.gap(packed.gaps)  # (t, d)
        if self.profile is not None:
            x = x + self.profile(packed.profile)
        # what came before a piece enters at its start place, as the mean of its items
        before = functional.embedding_bag(packed.older, vectors.detach(), packed.older_at, mode="mean")  # (p, d)
        x = x.index_add(0, torch.nonzero(packed.places == 0)[:, 0], self.older(before).to(x.dtype))
        return functional.dropout(x, self.dropout, self.training)


class Items(nn.Module):
    """Item vectors: projected text, attributes, and an id vector that fades in with evidence."""

    def __init__(
        self,
        text: Tensor,
        codes: Tensor,
        n_codes: int,
        evidence: Tensor,
        params: SequenceParams,
        graph: Graph | None = None,
    ) -> None:
        """Text is (n, text dim), frozen; codes (n, width) of attributes; evidence (n,) events of each in training.

        graph: neighbours of each product, which its vector then attends to.
        """
        super().__init__()
        self.text: Tensor
        self.codes: Tensor
        self.fade: Tensor
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("fade", (evidence / (evidence + params.id_evidence)).unsqueeze(1), persistent=False)
        self.project = nn.Linear(text.shape[1], params.dim)
        self.attribute = nn.Embedding(n_codes, params.dim, padding_idx=0)
        self.own = nn.Embedding(len(text), params.dim)
        self.graph = GraphAttention(graph, params.dim, params.heads) if graph else None
        with torch.no_grad():
            self.attribute.weight[1:].normal_(std=0.3 * params.dim**-0.5)
            self.own.weight.normal_(std=params.dim**-0.5)

    def forward(self) -> Tensor:
        """Return (n, d) unit rows; row 0, no item, is zero."""
        vectors = self.project(self.text) + self.attribute(self.codes).sum(dim=1) + self.fade * self.own.weight
        if self.graph is not None:
            vectors = functional.normalize(vectors, dim=-1)
            vectors = vectors + self.graph(vectors)
        vectors = functional.normalize(vectors, dim=-1)
        return torch.cat([torch.zeros_like(vectors[:1]), vectors[1:]])


class Net(nn.Module):
    """Items and transformer together: what training moves."""

    def __init__(self, items: Items, transformer: Transformer, params: SequenceParams) -> None:
        super().__init__()
        self.items, self.transformer, self.params = items, transformer, params

    def loss(self, packed: Packed, targets: Tensor, kinds: Tensor, weight: Tensor) -> Tensor:
        """Return the mean cross-entropy of the item after each place over the catalogue, weighted by its event.

        targets (t,) items, kinds (t,) of their events, weight (t,) above 0.
        """
        vectors = self.items()  # (n, d), once a step
        states = self.transformer(vectors, packed, kinds)  # (t, d)
        chosen, bias = self._softmax_over(targets, len(vectors))
        if chosen is not None:
            vectors = vectors[chosen]
            targets = torch.searchsorted(chosen, targets)
        return cross_entropy(states, vectors, targets, weight, bias, self.params.temperature)

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


def last_places(groups: tuple[tuple[int, int], ...]) -> Tensor:
    """Return (p,) the last place of each piece."""
    return torch.cat([torch.arange(part.start + length - 1, part.stop, length) for part, _, length in _parts(groups)])


def _parts(groups: tuple[tuple[int, int], ...]) -> Iterator[tuple[slice, int, int]]:
    """Yield the places of each group, its pieces and their length."""
    at = 0
    for pieces, length in groups:
        yield slice(at, at + pieces * length), pieces, length
        at += pieces * length
