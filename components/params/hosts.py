"""Names of hosts and origins, as the headers Host and Origin have them: parsed strictly, compared in one form."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

NAME = r"\[[0-9a-f:.]{2,45}\]|[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?"
HOST = re.compile(rf"({NAME})(?::(\d{{0,5}}))?", re.ASCII | re.IGNORECASE)
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,31})://(.+)", re.ASCII | re.IGNORECASE)
DEFAULT_PORTS = {"http": "80", "https": "443"}
MAX_LENGTH = 320  # characters of a name, a port and a scheme


def host_name(text: str) -> str | None:
    """Return the name in `name`, `name:port` or `[IPv6]:port`; None for anything else, such as `user@name`.

    The name is in lower case, without a final dot; an IPv6 address has no brackets and its short form.
    """
    split = _split(text)
    return split[0] if split else None


def origin(text: str) -> str | None:
    """Return an origin as `scheme://name[:port]` in lower case, without its scheme's default port; None for no origin.

    `null`, and a URL with a user, a path or a query, is no origin.
    """
    match = ORIGIN.fullmatch(text) if len(text) <= MAX_LENGTH else None
    split = _split(match[2]) if match else None
    if match is None or split is None:
        return None
    scheme, (name, port) = match[1].lower(), split
    shown = f"[{name}]" if ":" in name else name
    return f"{scheme}://{shown}" + (f":{port}" if port and port != DEFAULT_PORTS.get(scheme) else "")


def origin_host(text: str) -> str | None:
    """Return the name of the host in an origin; None for no origin."""
    match = ORIGIN.fullmatch(text) if len(text) <= MAX_LENGTH else None
    return host_name(match[2]) if match else None


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach a server that listens on the host."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def checked_host(text: str) -> str:
    """Return an allowed host in the form of `host_name`; raises ValueError for what no Host header can equal."""
    name = text.strip()
    if name == "*":
        return name
    try:
        name = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        name = ""
    split = _split(f"[{name}]" if name.count(":") > 1 and "[" not in name else name)
    if split is None or split[1]:
        raise ValueError(
            f"expected a host name such as shop.example, without scheme, port and path, or *; got {text!r}"
        )
    return split[0]


def checked_origin(text: str) -> str:
    """Return an allowed origin in the form of `origin`; raises ValueError for anything else."""
    name = text.strip()
    if name == "*":
        return name
    found = origin(name.removesuffix("/"))
    if found is None:
        raise ValueError(f"expected an origin such as https://shop.example, without a path, or *; got {text!r}")
    return found


def _split(text: str) -> tuple[str, str] | None:
    """Return name and port; the port is empty where there is none."""
    return _parse(text) if len(text) <= MAX_LENGTH else None


@lru_cache(maxsize=1000)  # a service sees few names
def _parse(text: str) -> tuple[str, str] | None:
    match = HOST.fullmatch(text)
    if match is None or int(match[2] or 0) > 65535:
        return None
    name, port = match[1].lower(), str(int(match[2])) if match[2] else ""
    if not name.startswith("["):
        return name.removesuffix("."), port
    try:
        return IPv6Address(name[1:-1]).compressed, port
    except ValueError:
        return None
