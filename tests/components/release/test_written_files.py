"""Files that were written for a shop are remembered while they exist."""

from pathlib import Path

from components.release.written_files import note_written, written_files


def test_files_are_listed_once_and_those_that_are_gone_are_not(tmp_path: Path) -> None:
    shop, files = tmp_path / "shop", [tmp_path / name for name in ("b.csv", "a.csv")]
    assert written_files(shop) == []
    for file in files:
        file.write_text("")
    note_written(shop, *files)
    note_written(shop, files[0])
    assert written_files(shop) == sorted(files)
    files[0].unlink()
    assert written_files(shop) == [files[1]]
