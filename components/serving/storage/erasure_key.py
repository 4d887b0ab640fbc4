"""The secret key of tombstones: from the environment, else a file that the first process makes."""

import os
import secrets
from pathlib import Path

from components.errors import ContractError
from components.private import make_folder, private_opener, restrict

KEY_FILE = "erasure.key"
MIN_LENGTH = 32  # characters


def load_key(file: Path, secret: str | None = None) -> bytes:
    """Return the key: the secret where there is one, else the content of the file, which is made where it is missing.

    Raises ContractError for a key that is too short to be secret, and for a file that cannot be read or made.
    """
    if secret is not None:
        return _checked(secret, "CAROUSEL_ERASURE_KEY")
    try:
        make_folder(file.parent)
        temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        if not file.exists():
            try:
                with open(temporary, "x", encoding="ascii", opener=private_opener) as made:
                    made.write(secrets.token_hex(32))
                    made.flush()
                    os.fsync(made.fileno())
                os.link(temporary, file)  # of several processes, one makes the file
            except FileExistsError:
                pass
            finally:
                temporary.unlink(missing_ok=True)
        restrict(file)
        return _checked(file.read_text(encoding="ascii"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(
            f"{file}: expected the key of deleted users, got {error}; restore it, or set CAROUSEL_ERASURE_KEY"
        ) from None


def _checked(key: str, where: str) -> bytes:
    if len(key.strip()) < MIN_LENGTH:
        raise ContractError(
            f"{where}: expected a secret of {MIN_LENGTH} characters or more, got {len(key.strip())}; make one with "
            "`openssl rand -hex 32`, or restore the earlier one"
        )
    return key.strip().encode()
