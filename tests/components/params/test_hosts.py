"""Host names and origins: one form for each, and nothing else passes."""

import pytest

from components.errors import ParamsError
from components.params import load
from components.params.hosts import checked_host, checked_origin, host_name, is_loopback, origin, origin_host
from tests.components.serving.support import ROOT


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("shop.example", "shop.example"),
        ("SHOP.Example:8443", "shop.example"),
        ("shop.example.", "shop.example"),
        ("shop.example.:80", "shop.example"),
        ("shop.example:", "shop.example"),
        ("127.0.0.1:65535", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]:8000", "::1"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("evil@127.0.0.1", None),
        ("127.0.0.1@evil.example", None),
        ("127.0.0.1:80@evil.example", None),
        ("127.0.0.1:evil", None),
        ("127.0.0.1:99999", None),
        ("127.0.0.1:-1", None),
        ("127.0.0.1:٨٠", None),
        ("127.0.0.1 ", None),
        ("127.0.0.1, evil.example", None),
        ("127.0.0.1/evil", None),
        ("127.0.0.1#", None),
        ("127.0.0.1\\evil", None),
        ("shop..example", None),
        ("::1", None),
        ("[::1", None),
        ("[::1].", None),
        ("[shop]", None),
        ("[::1%25eth0]", None),
        ("", None),
        (":80", None),
        ("a" * 64, None),
        ("a." * 5000, None),
    ],
)
def test_host_name(sent: str, name: str | None) -> None:
    assert host_name(sent) == name


@pytest.mark.parametrize(
    ("sent", "expected", "host"),
    [
        ("https://shop.example", "https://shop.example", "shop.example"),
        ("HTTPS://Shop.Example:443", "https://shop.example", "shop.example"),
        ("http://shop.example:443", "http://shop.example:443", "shop.example"),
        ("http://shop.example:080", "http://shop.example", "shop.example"),
        ("http://[::1]:3000", "http://[::1]:3000", "::1"),
        ("capacitor://localhost", "capacitor://localhost", "localhost"),
        ("null", None, None),
        ("https://shop.example/", None, None),
        ("https://evil@shop.example", None, None),
        ("shop.example", None, None),
        ("https://", None, None),
        ("https://shop.example https://evil.example", None, None),
    ],
)
def test_origin(sent: str, expected: str | None, host: str | None) -> None:
    assert (origin(sent), origin_host(sent)) == (expected, host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.7", False),
        ("localhost.evil.example", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_allowed_hosts_and_origins_are_checked_and_have_one_form() -> None:
    hosts = [" Shop.Example. ", "::1", "[::1]", "münchen.example", "*"]
    assert [checked_host(host) for host in hosts] == ["shop.example", "::1", "::1", "xn--mnchen-3ya.example", "*"]
    assert checked_origin("https://Shop.example:443/") == "https://shop.example"
    assert checked_origin("*") == "*"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("allowed_hosts", "https://shop.example"),
        ("allowed_hosts", "shop.example:8000"),
        ("allowed_hosts", "*.shop.example"),
        ("allowed_hosts", ""),
        ("cors_origins", "shop.example"),
        ("cors_origins", "https://shop.example/cart"),
        ("cors_origins", "null"),
    ],
)
def test_a_host_or_origin_that_no_header_can_equal_is_an_error(key: str, value: str) -> None:
    with pytest.raises(ParamsError, match=rf"serving\.{key}.*expected an? (host name|origin) such as"):
        load(ROOT / "params.yaml", overrides=[f"serving.{key}=['{value}']"])
