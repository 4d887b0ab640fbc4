"""BM25F as an inverted index: for each word the products that contain it, with its weight in each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Container, Sequence
from functools import cached_property

import numpy as np

from components.contracts import Catalogue, FloatArray, IntArray, TimeArray
from components.language.words import Word, split_words
from components.params import SearchParams
from components.search.spelling import Spelling
from components.search.stemming import stem
from components.search.terms import ID, ID_PART, first_parts, id_key, id_parts, joined_words

MAX_COMPLETIONS = 8  # words that the last word of a query may be a prefix of
FIELDS = ("title", "brand", "category", "text")  # each with its weight in params.field_weights
ID_WEIGHT = 1.0  # of an article number, as of a field
MAX_SHARED_PART = 20  # products whose article numbers hold a part; one that more of them hold says nothing


class LexicalIndex:
    """An inverted index with precomputed BM25 weights."""

    def __init__(
        self,
        vocabulary: Sequence[str],
        starts: TimeArray,
        items: IntArray,
        weights: FloatArray,
        words: Sequence[str],
        word_terms: IntArray,
    ) -> None:
        """vocabulary: sorted keys of words and article numbers; words: sorted, as shoppers type them.

        Term n is in items[starts[n]:starts[n + 1]], with the weights of the same slice. Word i has term word_terms[i].
        """
        self.vocabulary, self.starts, self.items, self.weights = list(vocabulary), starts, items, weights
        self.words, self.word_terms = list(words), word_terms

    @classmethod
    def build(cls, catalogue: Catalogue, params: SearchParams) -> LexicalIndex:
        """Return the index of a catalogue.

        Source: Robertson and Zaragoza 2009 (BM25F): counts are weighted by field, then saturated.
        """
        fields = {field: [split_words(text) for text in getattr(catalogue, field)] for field in FIELDS}
        words = _known_words(fields)
        starts_of_joined = first_parts(words.keys())
        counts: list[dict[str, float]] = [{} for _ in catalogue.item_id]
        for field, texts in fields.items():
            lengths = [sum(not word.is_stop for word in text) for text in texts[1:]]
            mean = max(float(np.mean(lengths or [0])), 1e-9)
            weight = params.field_weights[field]  # type: ignore[index]
            for item_counts, text, n_words in zip(counts[1:], texts[1:], lengths, strict=True):
                length = 1 - params.b + params.b * n_words / mean
                for term, n in _count_terms(text, words, starts_of_joined).items():
                    item_counts[term] = item_counts.get(term, 0.0) + weight * n / length
        for item_counts, terms in zip(counts[1:], _id_terms(catalogue.item_id[1:]), strict=True):
            item_counts |= dict.fromkeys(terms, ID_WEIGHT)
        vocabulary = sorted({term for item_counts in counts for term in item_counts})
        number = {term: n for n, term in enumerate(vocabulary)}
        column = np.array([number[term] for item_counts in counts for term in item_counts], np.int32)
        item = np.repeat(np.arange(len(counts), dtype=np.int32), [len(item_counts) for item_counts in counts])
        frequency = np.array([n for item_counts in counts for n in item_counts.values()], np.float32)
        document_counts = np.bincount(column, minlength=len(vocabulary))
        idf = np.log1p((len(catalogue) - document_counts + 0.5) / (document_counts + 0.5)).astype(np.float32)
        weights = idf[column] * frequency * (params.k1 + 1) / (params.k1 + frequency)
        order = np.lexsort((item, column))
        starts = np.concatenate([[0], np.cumsum(document_counts)]).astype(np.int64)
        word_terms = np.array([number[stem(word)] for word in words], np.int32)
        return cls(vocabulary, starts, item[order], weights[order].astype(np.float32), list(words), word_terms)

    @cached_property
    def document_counts(self) -> IntArray:
        """Return the number of products that contain each term."""
        counts: IntArray = np.diff(self.starts).astype(np.int32)
        return counts

    @cached_property
    def _spelled(self) -> tuple[list[str], IntArray, Spelling]:
        """Return words and keys of words, sorted, the term of each, and their corrector; built at first use.

        Keys are among them because a misspelled singular is closer to the key than to a plural.
        """
        terms = {self.vocabulary[n]: int(n) for n in self.word_terms}
        terms |= {word: int(n) for word, n in zip(self.words, self.word_terms, strict=True)}
        spelled = sorted(terms)
        of_term = np.array([terms[word] for word in spelled], np.int32)
        return spelled, of_term, Spelling(spelled, self.document_counts[of_term])

    @cached_property
    def _word_of_term(self) -> dict[int, str]:
        """Return term -> its first word, as shoppers type it."""
        return {int(n): word for n, word in zip(reversed(self.word_terms), reversed(self.words), strict=True)}

    def find_corrections(self, word: str) -> list[tuple[int, str, int]]:
        """Return (term, word, edits) of the words most similar to an unknown one; a term comes once."""
        spelled, of_term, spelling = self._spelled
        found: dict[int, tuple[int, str, int]] = {}
        for n, edits in spelling.find_corrections(word):
            term = int(of_term[n])
            is_word = bisect_left(self.words, spelled[n]) < bisect_right(self.words, spelled[n])
            found.setdefault(term, (term, spelled[n] if is_word else self._word_of_term[term], edits))
        return list(found.values())

    def __contains__(self, word: object) -> bool:
        """Return whether some product has the word, or has it as its article number or as a part of that."""
        terms = (stem(word), ID + word, ID_PART + word) if isinstance(word, str) else ()
        return any(self.find(term) is not None for term in terms)

    def find(self, term: str) -> int | None:
        """Return the number of a term; None where no product has it."""
        n = bisect_left(self.vocabulary, term)
        return n if n < len(self.vocabulary) and self.vocabulary[n] == term else None

    def postings(self, n: int) -> tuple[IntArray, FloatArray]:
        """Return the products that have a term, ascending, and its weight in each."""
        rows = slice(self.starts[n], self.starts[n + 1])
        return self.items[rows], self.weights[rows]

    def complete(self, word: str) -> list[int]:
        """Return the terms of the most frequent words that begin with this one."""
        terms = {int(self.word_terms[n]) for n in _with_prefix(self.words, word)}
        return sorted(terms, key=lambda n: (-int(self.document_counts[n]), n))[:MAX_COMPLETIONS]

    def complete_id(self, key: str) -> list[int]:
        """Return the terms of the first article numbers that begin with this key."""
        return list(_with_prefix(self.vocabulary, ID + key))[:MAX_COMPLETIONS]


def _with_prefix(ordered: Sequence[str], prefix: str) -> range:
    first = bisect_left(ordered, prefix)
    return range(first, min(bisect_left(ordered, prefix + "\U0010ffff"), first + 100 * MAX_COMPLETIONS))


def _known_words(fields: dict[str, list[list[Word]]]) -> dict[str, None]:
    """Return the words of all texts, in order, with those that are written with a hyphen or an apostrophe in one."""
    distinct = {word for texts in fields.values() for text in texts for word in text}
    found = {form for word in distinct if not (word.is_stop or word.is_chinese) for form in (word.text, word.digraphs)}
    for text in (text for texts in fields.values() for text in texts):
        found.update(joined for _, _, joined in joined_words(text, first_parts=()))
    return dict.fromkeys(sorted(found))


def _count_terms(text: Sequence[Word], known: Container[str], starts_of_joined: Container[str]) -> Counter[str]:
    """Return how often each term is in a text; neighbours that are known as one word count as that word, too."""
    terms = [stem(word.text) for word in text if not word.is_stop]
    terms += [stem(word.digraphs) for word in text if word.digraphs != word.text]
    return Counter([*terms, *(stem(joined) for _, _, joined in joined_words(text, known, starts_of_joined))])


def _id_terms(item_ids: Sequence[str]) -> list[list[str]]:
    """Return the terms of each article number: the whole, and the parts that few of them share."""
    parts = [id_parts(item_id) for item_id in item_ids]
    shared = Counter(part for item_parts in parts for part in item_parts)
    return [
        [ID + id_key(item_id), *(ID_PART + part for part in sorted(item_parts) if shared[part] <= MAX_SHARED_PART)]
        for item_id, item_parts in zip(item_ids, parts, strict=True)
    ]
