"""The products' vectors by a language model: items.safetensors and encoder.json in a folder."""

from pathlib import Path

import numpy as np

from components.contracts import FloatArray
from components.data.tables import read_catalogue
from components.io import write_json
from components.language.cache import encode_cached
from components.language.encoder import Encoder
from components.modalities.vectors import modality_arrays
from components.origin import read_split_origin, stamp


def write_vectors(
    encoder: Encoder, model: str, snapshot: Path, split: Path, out: Path, cache: Path, dims: int
) -> FloatArray:
    """Write the files into the folder `out`, for the products of the split; return (n_items + 1, dim) of the texts.

    model: language.model. dims: of pictures and other vectors, which the snapshot may hold. Texts and pictures that
    are in the cache are not encoded.
    """
    from safetensors.numpy import save_file

    catalogue = read_catalogue(split)
    vectors = encode_cached(encoder, catalogue.text, cache)
    modalities = modality_arrays(snapshot, catalogue.item_id, dims, cache)
    save_file({"embedding": vectors.astype(np.float16), **modalities}, out / "items.safetensors")
    about = {"model": model, "digest": encoder.digest, "dim": encoder.dim, "max_tokens": encoder.language.max_tokens}
    write_json(out / "encoder.json", about)
    stamp(out, read_split_origin(split, out))
    return vectors
