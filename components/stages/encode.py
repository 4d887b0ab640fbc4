"""Stage `encode`: texts of the products -> features/items.safetensors, one vector per item; sentiment of reviews."""

from pathlib import Path

from components.language.choice import chosen_model
from components.language.encoder import Encoder
from components.language.reviews import score_reviews
from components.settings import Settings
from components.stages.run import stage, write_metrics
from components.stages.vectors import write_vectors


def main() -> None:
    """Encode the texts that are not in the cache of this machine.

    features/sentiment holds the sentiment head, or a note why there is none; features/reviews.parquet its scores.
    """
    import pyarrow.parquet as pq

    with stage("encode", "features", "reports/encode") as params:
        encoder = Encoder.load(chosen_model(Path("models/language"), params.language.model), params.language)
        cache = Settings().resolved(Path.cwd()).home / "embeddings"
        folders = Path("data/snapshot"), Path("data/split"), Path("features")
        dims = params.models.multimodal.dims
        vectors = write_vectors(encoder, params.language.model, *folders, cache, dims)
        empty = float((~vectors[1:].any(axis=1)).sum())
        snapshot, split, sentiment = Path("data/snapshot"), Path("data/split"), Path("features/sentiment")
        result = score_reviews(snapshot, split, encoder, params.language.sentiment, cache)
        pq.write_table(result.unrated, "features/reviews.parquet", compression="zstd", write_page_checksum=True)
        if result.head is None:
            sentiment.mkdir()
            (sentiment / "note.txt").write_text(f"no sentiment head: {result.reason}\n")
        else:
            result.head.save(sentiment)
        metrics = {"texts": float(len(vectors) - 1), "texts/empty": empty}
        write_metrics(Path("reports/encode"), metrics | result.metrics)


if __name__ == "__main__":
    main()
