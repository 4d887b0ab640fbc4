"""Stage `encode`: texts of the products -> features/items.safetensors, one vector an item."""

import json
from pathlib import Path

import numpy as np

from components.data import tables
from components.language.cache import encode_cached
from components.language.choice import chosen_model
from components.language.encoder import Encoder
from components.settings import Settings
from components.stages.run import stage, write_metrics


def main() -> None:
    """Encode what is not in the cache of this machine."""
    from safetensors.numpy import save_file

    with stage("encode", "features", "reports/encode") as params:
        encoder = Encoder.load(chosen_model(Path("models/language"), params.language.model), params.language)
        texts = tables.read_catalogue(Path("data/split")).text
        vectors = encode_cached(encoder, texts, Settings().resolved(Path.cwd()).home / "embeddings")
        save_file({"embedding": vectors.astype(np.float16)}, "features/items.safetensors")
        about = {"model": params.language.model, "digest": encoder.digest, "dim": encoder.dim}
        about["max_tokens"] = params.language.max_tokens
        Path("features/encoder.json").write_text(json.dumps(about, indent=1) + "\n")
        empty = float((~vectors[1:].any(axis=1)).sum())
        write_metrics(Path("reports/encode"), {"texts": float(len(texts) - 1), "texts/empty": empty})


if __name__ == "__main__":
    main()
