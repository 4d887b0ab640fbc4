"""Stage `encode`: texts of the products -> features/items.safetensors, one vector per item; sentiment of reviews."""

import json
from pathlib import Path

import numpy as np

from components.data import tables
from components.language.cache import encode_cached
from components.language.choice import chosen_model
from components.language.encoder import Encoder
from components.language.reviews import score_reviews
from components.origin import read_split_origin, stamp
from components.settings import Settings
from components.stages.run import stage, write_metrics


def main() -> None:
    """Encode the texts that are not in the cache of this machine.

    features/sentiment holds the sentiment head, or a note why there is none; features/reviews.parquet its scores.
    """
    import pyarrow.parquet as pq
    from safetensors.numpy import save_file

    with stage("encode", "features", "reports/encode") as params:
        encoder = Encoder.load(chosen_model(Path("models/language"), params.language.model), params.language)
        texts = tables.read_catalogue(Path("data/split")).text
        cache = Settings().resolved(Path.cwd()).home / "embeddings"
        vectors = encode_cached(encoder, texts, cache)
        save_file({"embedding": vectors.astype(np.float16)}, "features/items.safetensors")
        about = {"model": params.language.model, "digest": encoder.digest, "dim": encoder.dim}
        about["max_tokens"] = params.language.max_tokens
        Path("features/encoder.json").write_text(json.dumps(about, indent=1) + "\n")
        stamp(Path("features"), read_split_origin(Path("data/split"), Path("features")))
        empty = float((~vectors[1:].any(axis=1)).sum())
        snapshot, split, sentiment = Path("data/snapshot"), Path("data/split"), Path("features/sentiment")
        result = score_reviews(snapshot, split, encoder, params.language.sentiment, cache)
        pq.write_table(result.unrated, "features/reviews.parquet", compression="zstd", write_page_checksum=True)
        if result.head is None:
            sentiment.mkdir()
            (sentiment / "note.txt").write_text(f"no sentiment head: {result.reason}\n")
        else:
            result.head.save(sentiment)
        metrics = {"texts": float(len(texts) - 1), "texts/empty": empty}
        write_metrics(Path("reports/encode"), metrics | result.metrics)


if __name__ == "__main__":
    main()
