"""What travels between coordinator and members: named arrays and JSON fields, as one safetensors file in memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from components.errors import ContractError


@dataclass(frozen=True)
class Message:
    """JSON fields and arrays."""

    fields: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return the bytes that `unpack` reads."""
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        return save(arrays, metadata={"fields": json.dumps(self.fields)})

    @classmethod
    def unpack(cls, content: bytes) -> "Message":
        """Return the message; raises ContractError for other bytes."""
        try:
            arrays = load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            fields = json.loads(header["__metadata__"]["fields"])
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ContractError(f"federated: not a message ({error})") from None
        if not isinstance(fields, dict):
            raise ContractError("federated: the fields of a message are no object")
        return cls(fields, arrays)

    def get(self, name: str, kind: type) -> Any:
        """Return a field of that type; raises ContractError."""
        value = self.fields.get(name)
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            raise ContractError(
                f"federated: expected field {name!r} of type {kind.__name__}, got {type(value).__name__}"
            )
        return value

    def hexes(self, name: str) -> dict[str, bytes]:
        """Return a field that maps names to bytes in hex; raises ContractError."""
        try:
            return {str(key): bytes.fromhex(value) for key, value in self.get(name, dict).items()}
        except (ValueError, TypeError):
            raise ContractError(f"federated: field {name!r} is not bytes in hex by name") from None

    def array(self, name: str, dtype: type, size: int | None = None) -> NDArray[Any]:
        """Return a one-dimensional array of that dtype, and of that size unless None; raises ContractError."""
        value = self.arrays.get(name)
        if value is None or value.ndim != 1 or value.dtype != dtype or size not in (None, len(value)):
            found = "none" if value is None else f"{value.dtype} {value.shape}"
            raise ContractError(f"federated: expected array {name!r} of {np.dtype(dtype)} ({size}), got {found}")
        return value


class Channel(Protocol):
    """Carries requests to members; a member that does not answer in time, or refuses, is absent from the answers."""

    def ask(self, step: str, requests: Mapping[str, Message]) -> dict[str, Message]:
        """Send each member its request; return the answers that came within the deadline."""
        ...

    def present(self) -> dict[str, str]:
        """Return the members that wait for a request, sorted, and the run that each has started; "" for none."""
        ...
