"""Who may read: the optional token of all routes, and what answers only on this machine where there is none."""

import base64
import binascii
import hmac
import logging
import re
from collections.abc import Mapping

from components.params.hosts import is_loopback
from components.serving.http.problems import ProblemError

log = logging.getLogger("serving")
PROBES = ("/livez", "/readyz", "/metrics")  # answered to anybody, under any name
ADMIN = "/admin/"  # has a token of its own
# what users did, releases, tools
PERSONAL = re.compile(r"/|/page/.*|/docs|/docs/.*|/profile|/audiences|/audiences/.*|/status|/loop")
PAGES = ("/", "/docs")  # that a browser opens
FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")  # a proxy adds them to what it passes on
NEEDED = "all routes but the probes need CAROUSEL_READ_TOKEN as a bearer token"
CLOSED = (
    "the page, /docs, /status, /profile and /audiences are for the shop's staff; without a token they answer only to "
    "programs of this machine: set CAROUSEL_READ_TOKEN and send it as a bearer token"
)


class ReadAccess:
    """Judges requests to all routes but the probes and the admin routes."""

    def __init__(self, token: str | None, host: str) -> None:
        """token: None or "" lets everybody read, except the PERSONAL routes. host: that the service listens on."""
        self.token = token or None
        self.is_local = is_loopback(host)

    def check(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        """Raise ProblemError where the route must not answer this request."""
        if path in PROBES or path.startswith(ADMIN):
            return
        if self.token is not None:
            if not has_token(headers.get(b"authorization", b""), self.token, is_password=True):
                scheme = 'Basic realm="carousel"' if path in PAGES else "Bearer"  # a browser asks for a password
                raise ProblemError(401, NEEDED, {"WWW-Authenticate": scheme})
        elif PERSONAL.fullmatch(path) and not (self.is_local and not any(name in headers for name in FORWARDED)):
            raise ProblemError(403, CLOSED)

    def warn(self, page: bool) -> None:
        """Log what is closed. page: serving.page."""
        if self.token is None and not self.is_local:
            log.warning(
                "serving.host is reachable from other machines and CAROUSEL_READ_TOKEN is not set: "
                "%s/profile and /audiences are closed (403), the other routes answer everybody",
                "the page, /docs, /status, " if page else "/status, ",
            )


def has_token(sent: bytes, token: str, is_password: bool = False) -> bool:
    """Return whether a header Authorization holds the token; compared in constant time.

    is_password: the token may also be the password of any user, as browsers ask for it.
    """
    scheme, _, value = sent.strip().partition(b" ")
    value = value.strip()
    if scheme.lower() == b"basic" and is_password:
        try:
            value = base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            value = b""
    elif scheme.lower() != b"bearer":
        value = b""
    return hmac.compare_digest(value, token.encode())
