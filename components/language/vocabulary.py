"""Words unknown to a tokenizer: counts them in the shop's texts, adds them, and initialises their embeddings."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from components.language.corpus import Corpus
from components.language.text import HAN, is_chinese, normalise
from components.params import PretrainParams

log = logging.getLogger("pretrain")
_CHARACTER = re.compile(f"[{HAN}]")  # Chinese: one token per character
NOISE = 1.0  # of new rows, in standard deviations of the old ones; with less, new characters start almost equal
SAMPLE = 2_000  # texts, of which the share of unknown tokens is measured


def extend_vocabulary(
    tokenizer: Any, model: Any, corpus: Corpus, params: PretrainParams, seed: int
) -> dict[str, float]:
    """Add unknown words to the tokenizer and the model; return their number, and shares of unknown tokens."""
    chinese = [t for t in corpus.texts if is_chinese(t)]
    samples = {"all": every_nth(corpus.texts, SAMPLE)} | ({"zh": every_nth(chinese, SAMPLE)} if chinese else {})
    metrics = {f"unknown/{name}/before": unknown_share(tokenizer, t) for name, t in samples.items()}
    learnable = [corpus.texts[i] for i in corpus.language]
    words = new_words(unknown_words(tokenizer, learnable), params.max_new_tokens, params.min_token_count)
    added = add_words(tokenizer, model, words, seed)
    metrics |= {f"unknown/{name}/after": unknown_share(tokenizer, t) for name, t in samples.items()}
    log.info("%d words added; unknown before and after: %s", added, metrics)
    return metrics | {"vocabulary/new": float(added)}


def every_nth(texts: Sequence[str], n: int) -> Sequence[str]:
    """Return at most n of the texts, evenly spaced."""
    return texts[:: -(-len(texts) // n) or 1]


def unknown_words(tokenizer: Any, texts: Iterable[str]) -> Counter[str]:
    """Return the counts of words and Chinese characters that the tokenizer maps to its unknown token.

    Empty for a tokenizer without an unknown token, such as one that falls back to bytes.
    """
    unknown = tokenizer.unk_token_id
    if unknown is None:
        return Counter()
    words = Counter(word for text in texts for word in split_words(tokenizer, normalise(text)))
    ids = tokenizer(list(words), add_special_tokens=False)["input_ids"] if words else []
    return Counter({w: n for (w, n), row in zip(words.items(), ids, strict=True) if unknown in row})


def split_words(tokenizer: Any, text: str) -> list[str]:
    """Return the words that the tokenizer would look up, normalised by it; each Chinese character is a word."""
    backend = tokenizer.backend_tokenizer
    clean = backend.normalizer.normalize_str(text) if backend.normalizer else text
    pieces = backend.pre_tokenizer.pre_tokenize_str(clean) if backend.pre_tokenizer else [(clean, (0, len(clean)))]
    words = []
    for piece, _ in pieces:
        words += [w for w in re.split(f"({_CHARACTER.pattern})", piece) if w.strip()]
    return words


def new_words(counts: Counter[str], max_words: int, min_count: int) -> list[str]:
    """Return the max_words most frequent words with at least min_count occurrences; ties in alphabetical order."""
    often = sorted((-n, w) for w, n in counts.items() if n >= min_count)
    return [w for _, w in often[:max_words]]


def add_words(tokenizer: Any, model: Any, words: Sequence[str], seed: int) -> int:
    """Add the words to the tokenizer and rows to the model's embeddings, in place; return the number of new words.

    A new row is the mean of the old ones plus noise drawn from `seed`. A Chinese character is matched anywhere in a
    text, another word only as a whole word.
    """
    from tokenizers import AddedToken

    before = len(tokenizer)
    tokenizer.add_tokens([AddedToken(w, single_word=not _CHARACTER.fullmatch(w), normalized=True) for w in words])
    added = len(tokenizer) - before
    rows = model.get_input_embeddings().weight.shape[0]
    if added and len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    if added:
        _init_rows(model, before, added, seed)
    return added


def unknown_share(tokenizer: Any, texts: Sequence[str]) -> float:
    """Return the share of unknown tokens in the texts, in [0, 1]; 0 without tokens."""
    clean = [normalise(t) for t in texts]
    rows = tokenizer(clean, add_special_tokens=False)["input_ids"] if clean else []
    tokens = sum(len(r) for r in rows)
    unknown = tokenizer.unk_token_id
    return sum(r.count(unknown) for r in rows) / tokens if tokens and unknown is not None else 0.0


def _init_rows(model: Any, start: int, n: int, seed: int) -> None:
    import torch

    with torch.no_grad():
        weight = model.get_input_embeddings().weight
        known = weight[:start].double()
        noise = torch.randn(n, weight.shape[1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        weight[start : start + n] = (known.mean(0) + NOISE * known.std(0) * noise).to(weight.dtype)
        for layer in (model.get_output_embeddings(),):
            if layer is not None and getattr(layer, "bias", None) is not None:
                layer.bias[start : start + n] = layer.bias[:start].mean()
