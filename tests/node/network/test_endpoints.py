"""Endpoints and proxies, read strictly: others may have written them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliogram.node.errors import InvalidEndpoint, InvalidProxy
from heliogram.node.network.endpoints import Endpoint
from heliogram.node.network.proxy import Proxy


@pytest.mark.parametrize(
    ("text", "url", "base"),
    [
        ("wss://relay.example/ws", "wss://relay.example:443/ws", "https://relay.example:443"),
        ("wss://relay.example", "wss://relay.example:443/ws", "https://relay.example:443"),
        ("wss://relay.example:8443/", "wss://relay.example:8443/ws", "https://relay.example:8443"),
        ("wss://Relay.Example/a/b/ws", "wss://relay.example:443/a/b/ws", "https://relay.example:443/a/b"),
        ("wss://relay.example/a", "wss://relay.example:443/a/ws", "https://relay.example:443/a"),
        ("ws://127.0.0.1:4433/ws", "ws://127.0.0.1:4433/ws", "http://127.0.0.1:4433"),
        ("ws://[::1]:4433/ws", "ws://[::1]:4433/ws", "http://[::1]:4433"),
        ("ws://localhost", "ws://localhost:80/ws", "http://localhost:80"),
        ("ws://abc.onion/ws", "ws://abc.onion:80/ws", "http://abc.onion:80"),
    ],
)  # fmt: skip
def test_what_an_endpoint_is(text: str, url: str, base: str) -> None:
    endpoint = Endpoint.parse(text.encode())
    assert (endpoint.url, endpoint.base) == (url, base)
    assert endpoint.hidden == (".onion" in text)
    assert "relay" not in repr(endpoint) and "127" not in repr(endpoint)


@pytest.mark.parametrize(
    "text",
    [
        "", "relay.example", "https://relay.example", "ws://relay.example/ws", "ws://192.0.2.1/ws",
        "ws://127.0.0.1.example/ws", "wss://relay.example/ws?x=1", "wss://relay.example/ws#KEY",
        "wss://user@relay.example/", "wss://relay.example:0/", "wss://relay.example:65536/",
        "wss://relay.example/../ws", "wss://relay.example/a b", "wss://relay.example/%0a",
        "wss://relay..example/", "wss:///ws", "wss://[::1/ws", "wss://[nonsense]/ws", "wss://rel\u00e4y.example",
        "wss://relay.example/ws\n", "WSS://relay.example/ws", "wss://" + "a" * 300,
    ],
)  # fmt: skip
def test_what_no_endpoint_is(text: str) -> None:
    with pytest.raises(InvalidEndpoint) as caught:
        Endpoint.parse(text.encode())
    assert caught.value.code == "invalid endpoint"


@given(st.binary(max_size=300) | st.text(max_size=100).map("wss://{}".format).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    try:
        endpoint = Endpoint.parse(data)
    except InvalidEndpoint:
        return
    assert Endpoint.parse(endpoint.url) == endpoint


def test_proxies() -> None:
    assert Proxy.parse("socks5://127.0.0.1:9050") == Proxy("127.0.0.1", 9050)
    assert str(Proxy.parse("socks5h://localhost:9050/")) == "socks5://127.0.0.1:9050"
    assert str(Proxy.parse("socks5://[::1]:9050")) == "socks5://[::1]:9050"
    for text in ("", "socks4://127.0.0.1:1", "socks5://tor:9050", "socks5://127.0.0.1", "127.0.0.1:9",
                 "socks5://a:b@127.0.0.1:9", "http://127.0.0.1:9", "socks5://127.0.0.1:70000"):  # fmt: skip
        with pytest.raises(InvalidProxy):
            Proxy.parse(text)
