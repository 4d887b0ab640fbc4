from hashlib import md5
from pathlib import Path

from components.release.digests import dvc_digest, file_md5


def test_the_digest_of_a_file_is_its_md5(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert file_md5(tmp_path / "a") == dvc_digest(tmp_path / "a") == md5(b"x" * 3_000_000).hexdigest()


def test_the_digest_of_a_folder_depends_on_names_and_bytes_only(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub/b").write_text("b")
        (tmp_path / name / "a").write_text("a")
    digest = dvc_digest(tmp_path / "one")
    assert digest.endswith(".dir")
    assert digest == dvc_digest(tmp_path / "two")
    (tmp_path / "two/a").rename(tmp_path / "two/c")
    assert digest != dvc_digest(tmp_path / "two")
    (tmp_path / "one/sub/b").write_text("B")
    assert digest != dvc_digest(tmp_path / "one")
