"""Text that is not UTF-8: what it probably is, and copies that are UTF-8."""

from pathlib import Path

import pytest

from components.applications.advice.encodings import convert, find_strange
from components.errors import ContractError, ParamsError
from tests.components.applications.advice import shops

LINES = ["名称,价格", *(f"红色茶壶{n},{n}" for n in range(50))]


def write_bytes(path: Path, text: str, encoding: str) -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "encoding", "guess", "is_certain"),
    [("\n".join(LINES), "gb18030", "gb18030", False), ("naïve,café\n" * 40, "cp1252", "cp1252", False),
     ("a,b\n1,2\n", "utf-16", "utf-16", True)],
)  # fmt: skip
def test_the_encoding_is_guessed(tmp_path: Path, text: str, encoding: str, guess: str, is_certain: bool) -> None:
    path = write_bytes(tmp_path / "a.csv", text, encoding)
    (found,) = find_strange([path], tmp_path)
    assert (found.guess, found.is_certain) == (guess, is_certain)


def test_utf_8_and_a_few_bad_lines_are_left_to_ingest(tmp_path: Path) -> None:
    shops.chinese(tmp_path / "shop")
    assert find_strange([tmp_path / "shop"], tmp_path) == []
    (tmp_path / "few.csv").write_bytes(b"a,b\n" + b"x,1\n" * 500 + b"caf\xe9,2\n")
    assert find_strange([tmp_path / "few.csv"], tmp_path) == []


def test_copies_are_utf_8_and_a_guess_must_be_confirmed(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "a.csv", "\r\n".join(LINES), "gb18030")
    strange = find_strange([path], tmp_path)
    with pytest.raises(ParamsError, match="--encoding gb18030"):
        convert(strange, None, tmp_path / "utf8")
    copies = convert(strange, "gb18030", tmp_path / "utf8")
    assert copies[path.resolve()].read_text(encoding="utf-8").splitlines() == LINES
    with pytest.raises(ContractError, match="try another --encoding"):
        convert(strange, "ascii", tmp_path / "utf8")


def test_a_marked_file_needs_no_answer(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "a.csv", "a,b\n1,2\n", "utf-16")
    (copy,) = convert(find_strange([path], tmp_path), None, tmp_path / "utf8").values()
    assert copy.read_text(encoding="utf-8") == "a,b\n1,2\n"
