"""The item graph (products taken by the same users) and graph attention over it, in pure torch.

Source: Velickovic et al. 2018 (GAT), with the scores of Brody et al. 2022 (GATv2) and the co-occurrence as a prior.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from components.contracts import FloatArray, Interactions
from components.recommenders.sums import training_matrix
from components.recommenders.top_k import top_k

CELLS = 16_000_000  # similarities computed at once: bounds memory at some 200 MB
ItemGraph = tuple[NDArray[np.int64], FloatArray]


def item_graph(interactions: Interactions, embedding: FloatArray, k: int) -> ItemGraph:
    """Return (n_items + 1, k) neighbours of each product and the log of their normalised weight; -inf is padding.

    The weight is the cosine of the sets of users who took both products, or a tenth of the cosine of their texts
    where that is larger: so products without events have neighbours too.
    """
    taken = training_matrix(interactions)
    taken.data = np.ones_like(taken.data)
    norms = np.sqrt(np.asarray(taken.sum(axis=0)).ravel())
    scale = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    by_item = taken.T.tocsr().astype(np.float32)  # (n_items + 1, n_users + 1)
    n = by_item.shape[0]
    neighbours, weight = np.zeros((n, k), np.int64), np.zeros((n, k), np.float32)
    step = max(1, CELLS // n)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        co_taken = (by_item[rows] @ taken).toarray() * scale[rows, None] * scale
        text_similarity: FloatArray = (0.1 * np.maximum(embedding[rows] @ embedding.T, 0)).astype(np.float32)
        similarity = np.maximum(co_taken, text_similarity).astype(np.float32)
        similarity[np.arange(len(similarity)), np.arange(rows.start, rows.stop)] = 0  # an item is not its own neighbour
        similarity[:, 0] = 0
        best = top_k(similarity, k)
        width = best.items.shape[1]
        neighbours[rows, :width], weight[rows, :width] = best.items, best.scores
    weight[0] = 0
    neighbours[weight == 0] = 0
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
    with np.errstate(divide="ignore"):
        return neighbours, np.log(weight / total).astype(np.float32)


class GraphAttention(nn.Module):
    """An attention-weighted sum of the vectors of a product's neighbours."""

    def __init__(self, graph: ItemGraph, dim: int, heads: int) -> None:
        super().__init__()
        self.neighbours: Tensor
        self.prior: Tensor
        self.register_buffer("neighbours", torch.from_numpy(graph[0]), persistent=False)
        self.register_buffer("prior", torch.from_numpy(graph[1]), persistent=False)
        self.heads = heads
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.score = nn.Parameter(torch.zeros(heads, dim // heads))
        nn.init.normal_(self.score, std=0.1)
        nn.init.normal_(self.value.weight, std=0.02)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (n, d) from (n, d); zero for a product without neighbours."""
        n, k = self.neighbours.shape
        shape = (n, k, self.heads, -1)
        queries = self.query(vectors).view(n, 1, self.heads, -1)
        keys, values = (functional.embedding(self.neighbours, f(vectors)).view(shape) for f in (self.key, self.value))
        logits = (functional.leaky_relu(queries + keys, 0.2) * self.score).sum(dim=-1) + self.prior.unsqueeze(-1)
        isolated = torch.isinf(self.prior).all(dim=1)
        weight = torch.softmax(logits.masked_fill(isolated[:, None, None], 0), dim=1)  # (n, k, heads)
        mixed = (weight.unsqueeze(-1) * values).sum(dim=1).reshape(n, -1)
        return mixed.masked_fill(isolated.unsqueeze(1), 0)
