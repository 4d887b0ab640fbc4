"""The graph of products: who was taken together, and graph attention over it (pure torch).

Source: Velickovic et al. 2018 (GAT), with the scores of Brody et al. 2022 (GATv2) and how often two were taken together
as a prior.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from components.contracts import FloatArray, Interactions
from components.recommenders.base import top_k
from components.recommenders.histories import training_matrix

CELLS = 16_000_000  # of likenesses looked at at once: bounds memory at some 200 MB
Graph = tuple[NDArray[np.int64], FloatArray]


def item_graph(interactions: Interactions, embedding: FloatArray, k: int) -> Graph:
    """Return (n_items + 1, k) neighbours of each product and the log of their share, -inf where there are fewer.

    Neighbours are those taken by the same users (cosine of the users); where these are fewer, and for products that
    nobody took, places are filled with what reads alike, at a tenth of its cosine.
    """
    taken = training_matrix(interactions)
    taken.data = np.ones_like(taken.data)
    norms = np.sqrt(np.asarray(taken.sum(axis=0)).ravel())
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    by_item = taken.T.tocsr().astype(np.float32)  # (n_items + 1, n_users + 1)
    n = by_item.shape[0]
    near, share = np.zeros((n, k), np.int64), np.zeros((n, k), np.float32)
    step = max(1, CELLS // n)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        together = (by_item[rows] @ taken).toarray() * scale[rows, None] * scale
        likeness: FloatArray = (0.1 * np.maximum(embedding[rows] @ embedding.T, 0)).astype(np.float32)
        both = np.maximum(together, likeness).astype(np.float32)
        both[np.arange(len(both)), np.arange(rows.start, rows.stop)] = 0  # not itself
        both[:, 0] = 0
        best = top_k(both, k)
        near[rows, : best.items.shape[1]], share[rows, : best.items.shape[1]] = best.items, best.scores
    share[0] = 0
    near[share == 0] = 0
    total = np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
    with np.errstate(divide="ignore"):
        return near, np.log(share / total).astype(np.float32)


class GraphAttention(nn.Module):
    """What a product's neighbours add to its vector, each by how much it matters to the product."""

    def __init__(self, graph: Graph, dim: int, heads: int) -> None:
        super().__init__()
        self.near: Tensor
        self.prior: Tensor
        self.register_buffer("near", torch.from_numpy(graph[0]), persistent=False)
        self.register_buffer("prior", torch.from_numpy(graph[1]), persistent=False)
        self.heads = heads
        self.ask, self.answer = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.score = nn.Parameter(torch.zeros(heads, dim // heads))
        nn.init.normal_(self.score, std=0.1)
        nn.init.normal_(self.value.weight, std=0.02)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (n, d) from (n, d); zero for a product without neighbours."""
        n, k = self.near.shape
        shape = (n, k, self.heads, -1)
        asked = self.ask(vectors).view(n, 1, self.heads, -1)
        answers, values = (functional.embedding(self.near, f(vectors)).view(shape) for f in (self.answer, self.value))
        matter = (functional.leaky_relu(asked + answers, 0.2) * self.score).sum(dim=-1) + self.prior.unsqueeze(-1)
        none = torch.isinf(self.prior).all(dim=1)
        weight = torch.softmax(matter.masked_fill(none[:, None, None], 0), dim=1)  # (n, k, heads)
        mixed = (weight.unsqueeze(-1) * values).sum(dim=1).reshape(n, -1)
        return mixed.masked_fill(none.unsqueeze(1), 0)
