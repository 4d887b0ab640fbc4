from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.federated.requests import COUNTER, MEMBER, SIGNATURE, RequestVerifier, sign_request


def test_a_request_is_accepted_once_and_only_of_its_member() -> None:
    shop, other = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
    verifier = RequestVerifier({"shop": shop.public_key(), "other": other.public_key()})
    headers = sign_request("shop", shop, "/next", 5, b"body")
    for wrong in (
        headers | {MEMBER: "other"},
        headers | {MEMBER: "stranger"},
        headers | {COUNTER: "6"},
        headers | {COUNTER: "x"},
        headers | {SIGNATURE: "zz"},
        sign_request("shop", other, "/next", 5, b"body"),
        {},
    ):
        assert verifier.verify(wrong, "/next", b"body") is None
    assert verifier.verify(headers, "/answer/1", b"body") is None
    assert verifier.verify(headers, "/next", b"changed") is None
    assert verifier.verify(headers, "/next", b"body") == "shop"
    assert verifier.verify(headers, "/next", b"body") is None
    assert verifier.verify(sign_request("shop", shop, "/next", 4, b"body"), "/next", b"body") is None
    assert verifier.verify(sign_request("shop", shop, "/next", 6, b"body"), "/next", b"body") == "shop"
