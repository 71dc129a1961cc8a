"""The address of a client, as far as proxies are believed."""

from ipaddress import ip_network

import pytest

from service.http.client_address import MAX_HOPS, client_address

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.7, <script>, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.7:4711"], "198.51.100.7"),
        ("::ffff:10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", [", ".join(["198.51.100.7", *["10.0.0.2"] * MAX_HOPS])], "10.0.0.2"),
        ("", ["198.51.100.7"], None),
        (None, [], None),
    ],
)
def test_client_address(peer: str | None, forwarded_for: list[str], client: str | None) -> None:
    """What an untrusted one appended, and all before it, is a claim of the client's own."""
    assert client_address(peer, forwarded_for, TRUSTED) == client


def test_client_address_without_trusted_proxies_is_the_peer() -> None:
    assert client_address("10.0.0.1", ["198.51.100.7"], []) == "10.0.0.1"
