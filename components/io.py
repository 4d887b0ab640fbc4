"""Atomic file writes, records as JSON, and digests; independent of the meaning of a file."""

import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from hashlib import file_digest, sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from components import compat
from components.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Model = TypeVar("Model", bound=BaseModel)
MAX_NAMED = 3  # problems of a record that an error names
_number = count()  # makes temporary names unique between the threads of this process


@contextmanager
def atomic_file(path: Path, remove_leftovers: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder; it replaces `path` at the end, and is removed after an exception.

    remove_leftovers: list the folder and remove the temporary files of `path` that killed processes left.
    """
    temporary = _temporary_path(path, remove_leftovers)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder next to `path`, which can be renamed to `path`; it is removed at the end."""
    temporary = _temporary_path(path)
    temporary.mkdir()
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write the file atomically: a reader sees the earlier content or this one. Makes its folder."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write the text atomically, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(
    path: Path, content: Any, *, sort_keys: bool = False, ensure_ascii: bool = True, allow_nan: bool = False
) -> None:
    """Write the content atomically, with an indent of 1 and a newline at the end.

    Raises ValueError for NaN or infinity unless allow_nan.
    """
    text = json.dumps(content, indent=1, sort_keys=sort_keys, ensure_ascii=ensure_ascii, allow_nan=allow_nan)
    write_text(path, text + "\n")


def write_record(path: Path, record: BaseModel | None, indent: int | None = 1) -> None:
    """Write the record atomically, as JSON with a newline at the end; None as null."""
    write_text(path, ("null" if record is None else record.model_dump_json(indent=indent)) + "\n")


def parse_record(content: bytes, model: type[Model], kind: str, where: object, advice: str = "make it again") -> Model:
    """Return the record in JSON that this version or an earlier one wrote.

    kind: of the file, a key of compat.RENAMED_KEYS. where and advice: how errors name the file, and what to do.
    Raises ContractError when it is not JSON, or not such a record.
    """
    try:
        if compat.has_renames(kind):
            tree = json.loads(content)
            content = json.dumps(compat.translate(kind, tree) if isinstance(tree, dict) else tree).encode()
        return model.model_validate_json(content)
    except ValueError as error:  # pydantic's ValidationError is one
        raise ContractError(
            f"{where}: expected a {model.__name__} in JSON ({describe_problems(error)}); {advice}"
        ) from None


def describe_problems(error: ValueError) -> str:
    """Return what is wrong on one line; of a ValidationError the first MAX_NAMED problems, without values."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_url=False, include_input=False)
    named = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}".removeprefix(": ") for e in found[:MAX_NAMED]]
    return "; ".join([*named, *([f"{len(found) - MAX_NAMED} more"] if len(found) > MAX_NAMED else [])])


def find_record(path: Path, model: type[Model], kind: str, advice: str = "make it again") -> Model | None:
    """Return the record in the file; None where there is no file. Raises ContractError as `parse_record` does."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
    return parse_record(content, model, kind, path, advice)


def read_record(path: Path, model: type[Model], kind: str, advice: str = "make it again") -> Model:
    """Return the record in the file; raises ContractError where there is none, and as `parse_record` does."""
    found = find_record(path, model, kind, advice)
    if found is None:
        raise ContractError(f"{path}: not there, expected a {model.__name__} in JSON; {advice}")
    return found


def sha256_bytes(content: bytes) -> str:
    """Return the sha256 of the bytes, in hexadecimal digits."""
    return sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the sha256 of the file's bytes, in hexadecimal digits; the file is read in blocks."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sha256_files(files: Iterable[Path]) -> str:
    """Return the sha256 of the digests of the files, in their order."""
    return sha256_bytes("".join(map(sha256_file, files)).encode())


def sha256_arrays(about: str, arrays: Iterable["NDArray[Any]"]) -> str:
    """Return the sha256 of a text and the bytes of the arrays, in hexadecimal digits; shapes and types do not count."""
    digest = sha256(about.encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def _temporary_path(path: Path, remove_leftovers: bool = True) -> Path:
    """Return a hidden path in the same folder that no other process or thread uses; makes the folder.

    With remove_leftovers, removes the temporary files of `path` that killed processes of this machine left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.{socket.gethostname()}-"
    for leftover in path.parent.glob(f"{escape(prefix)}*.partial") if remove_leftovers else ():
        pid = leftover.name.removeprefix(prefix).split("-")[0]
        if pid.isdecimal() and not _is_running(int(pid)):
            shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
    return path.with_name(f"{prefix}{os.getpid()}-{next(_number)}.partial")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # a process of another user
    return True
