"""The network, in pure torch, without Lightning and files.

Shapes: p segments of histories, t positions in all of them, d width, n items + 1. There is no padding.
"""

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.contracts import EVENTS
from components.params import SequenceParams
from components.recommenders.sequence.graph import GraphAttention, ItemGraph
from components.recommenders.sequence.loss import cross_entropy
from components.recommenders.sequence.packed import Groups, Packed, buckets, groups_of, last_positions, padded_positions
from components.recommenders.sequence.profile import WIDTH

START = len(EVENTS)  # code of the position before the first event; an unknown user has only this position
GAPS = 16  # codes of the time between an event and the previous one


class Block(nn.Module):
    """One pre-norm transformer block, causal; only the attention pads the segments to one length."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, groups: Groups) -> Tensor:
        """Return (t, d) from (t, d); a position attends to itself and earlier ones of its segment."""
        drop = self.dropout if self.training else 0.0
        qkv, mixed = self.qkv(self.norm1(x)), []
        for part, bucket in buckets(groups):
            at, segments, length = padded_positions(bucket, x.device)
            padded = qkv.new_zeros(segments * length, qkv.shape[1]).index_copy(0, at, qkv[part])
            q, k, v = padded.view(segments, length, 3, self.heads, -1).permute(
                2, 0, 3, 1, 4
            )  # (p, heads, l, d / heads)
            # padding follows the events of a segment, so the causal mask hides it from them
            out = functional.scaled_dot_product_attention(q, k, v, dropout_p=drop, is_causal=True)
            mixed.append(out.transpose(1, 2).reshape(segments * length, -1).index_select(0, at))
        return self._add(x, torch.cat(mixed))

    def newest(self, x: Tensor, groups: Groups) -> Tensor:
        """Return (p, d): what `forward` gives at the last position of each segment, without computing the others."""
        query, keys = self.qkv.weight.chunk(3)[0], self.qkv.weight[len(self.out.weight) :]
        bias = self.qkv.bias
        normed, ends = self.norm1(x), last_positions(groups)
        q = functional.linear(normed[ends], query, bias[: len(query)])
        kv = functional.linear(normed, keys, bias[len(query) :])
        mixed, at = [], 0
        for part, segments, length in groups_of(groups):
            last_q = q[at : at + segments].view(segments, 1, self.heads, -1).transpose(1, 2)
            k, v = kv[part].view(segments, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
            out = functional.scaled_dot_product_attention(last_q, k, v)
            mixed.append(out.transpose(1, 2).reshape(segments, -1))
            at += segments
        return self._add(x[ends], torch.cat(mixed))

    def _add(self, x: Tensor, attended: Tensor) -> Tensor:
        drop = self.dropout if self.training else 0.0
        x = x + functional.dropout(self.out(attended), drop, self.training)
        return x + functional.dropout(self.mlp(self.norm2(x)), drop, self.training)


class Transformer(nn.Module):
    """From histories to user states; items are given as vectors: serving needs no layers that compute them."""

    def __init__(self, params: SequenceParams) -> None:
        super().__init__()
        self.dropout = params.dropout
        self.event = nn.Embedding(len(EVENTS) + 1, params.dim)
        self.position = nn.Embedding(params.max_length + 1, params.dim)
        self.gap = nn.Embedding(GAPS, params.dim)
        self.profile = nn.Linear(WIDTH, params.dim, bias=False) if params.profile else None
        self.older = nn.Linear(params.dim, params.dim, bias=False)
        self.blocks = nn.ModuleList(Block(params.dim, params.heads, params.dropout) for _ in range(params.blocks))
        self.norm = nn.LayerNorm(params.dim)
        # the stream starts from unit vectors and the blocks add longer ones: the newest item is added once more
        self.newest_item = nn.Parameter(torch.ones(1))
        self.heads = nn.Embedding(len(EVENTS), params.dim) if params.event_heads else None
        for table in (self.event, self.position, self.gap):
            nn.init.normal_(table.weight, std=0.02)
        if self.profile is not None:
            nn.init.normal_(self.profile.weight, std=0.02)
        if self.heads is not None:
            nn.init.zeros_(self.heads.weight)

    def forward(self, vectors: Tensor, packed: Packed, kinds: Tensor) -> Tensor:
        """Return (t, d) the unit state at each position, given the kind (t,) of the next event.

        vectors: (n, d) unit rows; row 0 is zero.
        """
        # not vectors[items]: its backward adds in the order of threads, that of an embedding is deterministic
        own = functional.embedding(packed.items, vectors)  # (t, d)
        x = self._embed(own, vectors, packed)
        for block in self.blocks:
            x = block(x, packed.groups)
        return self.apply_event_head(self._add_item(self.norm(x), own), kinds)

    def newest(self, vectors: Tensor, packed: Packed) -> Tensor:
        """Return (p, d): the input of `apply_event_head` at the last position of each segment."""
        own = functional.embedding(packed.items, vectors)
        x = self._embed(own, vectors, packed)
        *lower, last = self.blocks
        for block in lower:
            x = block(x, packed.groups)
        normed = self.norm(cast(Block, last).newest(x, packed.groups))
        return self._add_item(normed, own[last_positions(packed.groups)])

    def apply_event_head(self, x: Tensor, kinds: Tensor) -> Tensor:
        """Return the unit states (t, d) of x (t, d) under the heads of the kinds of event (t,)."""
        return functional.normalize(x if self.heads is None else x * (1 + self.heads(kinds)), dim=-1)

    def _add_item(self, x: Tensor, own: Tensor) -> Tensor:
        """Return x (t, d) plus the vector (t, d) of the item at each position, at the length of a normalised state."""
        return x + self.newest_item * math.sqrt(x.shape[1]) * own

    def _embed(self, own: Tensor, vectors: Tensor, packed: Packed) -> Tensor:
        x = own + self.event(packed.events) + self.position(packed.positions) + self.gap(packed.gaps)  # (t, d)
        if self.profile is not None:
            x = x + self.profile(packed.profile)
        # the summarised events enter at the start position, as the mean of their items
        before = functional.embedding_bag(packed.older, vectors.detach(), packed.older_at, mode="mean")  # (p, d)
        x = x.index_add(0, torch.nonzero(packed.positions == 0)[:, 0], self.older(before).to(x.dtype))
        return functional.dropout(x, self.dropout, self.training)


class Items(nn.Module):
    """Item vectors: projected text, attributes, modalities, and an id vector whose weight grows with evidence.

    Each modality (pictures, given vectors) has a gate that is learned; an item without it gets nothing from it.
    """

    def __init__(
        self,
        text: Tensor,
        codes: Tensor,
        n_codes: int,
        evidence: Tensor,
        params: SequenceParams,
        graph: ItemGraph | None = None,
        modalities: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Text is (n, text dim), frozen; codes (n, width) of attributes; evidence (n,) events of each in training.

        graph: the item graph; a product's vector attends to those of its neighbours. modalities: name -> (n, its dims),
        frozen, unit rows or zeros.
        """
        super().__init__()
        self.text: Tensor
        self.codes: Tensor
        self.fade: Tensor
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("fade", (evidence / (evidence + params.id_evidence)).unsqueeze(1), persistent=False)
        self.project = nn.Linear(text.shape[1], params.dim)
        self.attribute = nn.EmbeddingBag(n_codes, params.dim, mode="sum", padding_idx=0)
        self.own = nn.Embedding(len(text), params.dim)
        self.graph = GraphAttention(graph, params.dim, params.heads) if graph else None
        self.modalities, self.gates = nn.ModuleDict(), nn.ParameterDict()
        for name, rows in sorted((modalities or {}).items()):
            self.register_buffer(f"modality_{name}", rows, persistent=False)
            self.modalities[name] = nn.Linear(rows.shape[1], params.dim, bias=False)
            self.gates[name] = nn.Parameter(torch.zeros(1))
        with torch.no_grad():
            self.attribute.weight[1:].normal_(std=0.3 * params.dim**-0.5)
            self.own.weight.normal_(std=params.dim**-0.5)

    def forward(self, chosen: Tensor | None = None) -> Tensor:
        """Return (n, d) unit rows, or those of the chosen items, of which the first is 0; row 0, no item, is zero."""
        if chosen is not None and self.graph is None:
            return self._unit_rows(self._combine(self.text[chosen], self.codes[chosen], self.fade[chosen], chosen))
        every = torch.arange(len(self.text), device=self.text.device)
        vectors = self._combine(self.text, self.codes, self.fade, every)
        if self.graph is not None:
            vectors = functional.normalize(vectors, dim=-1)
            vectors = vectors + self.graph(vectors)
        vectors = self._unit_rows(vectors)
        return vectors if chosen is None else functional.embedding(chosen, vectors)

    def _combine(self, text: Tensor, codes: Tensor, fade: Tensor, items: Tensor) -> Tensor:
        combined: Tensor = self.project(text) + self.attribute(codes) + fade * self.own(items)
        for name, project in self.modalities.items():
            rows = getattr(self, f"modality_{name}")[items]
            combined = combined + torch.sigmoid(self.gates[name]) * project(rows)
        return combined

    def _unit_rows(self, vectors: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)  # (n, 1)
        is_item = torch.ones_like(length)
        is_item[0] = 0
        return vectors * (is_item / length.clamp_min(1e-12))


class Net(nn.Module):
    """Items and transformer together: the trainable parameters."""

    def __init__(self, items: Items, transformer: Transformer, params: SequenceParams) -> None:
        super().__init__()
        self.items, self.transformer, self.params = items, transformer, params

    def loss(self, packed: Packed, targets: Tensor, kinds: Tensor, weight: Tensor) -> Tensor:
        """Return the mean cross-entropy of the item after each position over the catalogue, weighted by its event.

        targets (t,) items, kinds (t,) of their events, weight (t,) above 0.
        """
        chosen, bias = self._sample_items(targets, len(self.items.text))
        if chosen is None:
            vectors = self.items()  # (n, d)
            states = self.transformer(vectors, packed, kinds)  # (t, d)
        else:
            needed = torch.unique(torch.cat([chosen, packed.items, packed.older]))  # 0 is at each start position
            packed = packed._replace(
                items=torch.searchsorted(needed, packed.items), older=torch.searchsorted(needed, packed.older)
            )
            vectors = self.items(needed)
            states = self.transformer(vectors, packed, kinds)
            vectors = functional.embedding(torch.searchsorted(needed, chosen), vectors)
            targets = torch.searchsorted(chosen, targets)
        return cross_entropy(states, vectors, targets, weight, bias, self.params.temperature)

    def _sample_items(self, targets: Tensor, n: int) -> tuple[Tensor | None, Tensor]:
        """Return the items of this step's softmax (None: all n), ascending, and what is added to their logits.

        In a catalogue of more than `softmax_items` items: sampled softmax over the targets and that many uniform
        negatives, with logQ correction (minus the log of their sampling probability).
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
