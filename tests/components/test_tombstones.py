"""The key of tombstones: one for all processes, private, from the environment where it is set there."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from components.errors import ContractError
from components.tombstones import load_key


def test_processes_that_start_together_have_one_private_key(tmp_path: Path) -> None:
    file, barrier = tmp_path / "shop/erasure.key", Barrier(8)

    def load(_: int) -> bytes:
        barrier.wait()
        return load_key(file)

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load, range(8)))
    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["erasure.key"]
    assert load_key(tmp_path / "other/erasure.key") != load_key(file)


def test_a_secret_of_the_environment_needs_no_file(tmp_path: Path) -> None:
    assert load_key(tmp_path / "erasure.key", f" {'s' * 32}\n") == b"s" * 32
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
def test_a_damaged_key_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "erasure.key"
    file.write_bytes(content)
    with pytest.raises(ContractError, match=r"erasure\.key: expected .*restore"):
        load_key(file)
    assert file.read_bytes() == content
    with pytest.raises(ContractError, match="CAROUSEL_ERASURE_KEY: expected") as refused:
        load_key(file, "hunter22")
    assert "hunter22" not in str(refused.value)
