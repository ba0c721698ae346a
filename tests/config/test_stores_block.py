"""Where the state and the cached answers are: each form, what is left out, and what cannot be meant."""

import pytest

from gateway.config import stores_block
from gateway.config.addresses import Tcp, Unix
from gateway.config.connection_block import TlsBlock
from gateway.config.secret_source import SecretEnv, SecretFile
from gateway.config.stores_block import ClusterNodes, SentinelGroup, Server, StoreBlock, Stores
from gateway.core.reading import Reader
from gateway.core.written import Node

from .reading import read


def told(text: str) -> tuple[Stores, list[str]]:
    def block(root: Node, reader: Reader) -> Stores:
        return stores_block.read(reader, reader.fields(root, "The file", ("stores",)).get("stores"))

    return read(f"stores: {text}\n", block)


def state(text: str) -> StoreBlock:
    stores, problems = told(f"{{state: {text}}}")
    assert problems == []
    assert stores.state is not None
    assert stores.cache is None
    return stores.state


def test_without_the_block_everything_stays_in_memory() -> None:
    assert stores_block.read(Reader(), None) == Stores()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{address: '10.0.0.5:6379'}", Server(Tcp("10.0.0.5", 6379))),
        ("{address: '[::1]:6379'}", Server(Tcp("::1", 6379))),
        ("{address: 'unix:/run/valkey.sock'}", Server(Unix("/run/valkey.sock"))),
        (
            "{sentinel: {master: main, addresses: ['a:26379', 'b:26379']}}",
            SentinelGroup("main", (Tcp("a", 26379), Tcp("b", 26379))),
        ),
        ("{cluster: ['a:7000']}", ClusterNodes((Tcp("a", 7000),))),
    ],
)
def test_a_store_is_in_one_of_these_places(text: str, place: stores_block.StorePlace) -> None:
    assert state(text) == StoreBlock(place)


def test_everything_can_be_said() -> None:
    block = state(
        "{address: 'r:6379', tls: {ca: ca.pem}, username: gate, password: {file: secrets/redis}, prefix: gate-1, "
        "timeout: 100ms}"
    )
    assert block.tls is not None
    assert block.tls.ca is not None
    assert block.tls.ca.text == "ca.pem"
    assert isinstance(block.password, SecretFile)
    assert (block.username, block.prefix, block.timeout_s) == ("gate", "gate-1", 0.1)
    sentinel = state("{sentinel: {master: m, addresses: ['s:26379'], username: s, password: {env: SENTINEL}}}").place
    assert isinstance(sentinel, SentinelGroup)
    assert isinstance(sentinel.password, SecretEnv)
    assert sentinel.username == "s"
    assert state("{address: 'r:6379', tls: system}").tls == TlsBlock()


def test_state_and_cache_are_told_apart() -> None:
    stores, problems = told("{state: {address: 'a:6379'}, cache: {address: 'b:6379'}}")
    assert problems == []
    assert stores == Stores(StoreBlock(Server(Tcp("a", 6379))), StoreBlock(Server(Tcp("b", 6379))))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{}", "exactly one place"),
        ("{address: 'a:1', cluster: ['a:1']}", "exactly one place"),
        ("{address: 'a:0'}", "needs the port"),
        ("{address: a}", "must be an address"),
        ("{address: 'redis://a:6379'}", "must be an address"),
        ("{cluster: []}", "must not be empty"),
        ("{cluster: ['unix:/a.sock', 'a:1']}", "must be `host:port`"),
        ("{cluster: ['a b']}", "must be an address"),
        ("{sentinel: {master: m}}", "lacks the key `addresses`"),
        ("{sentinel: {addresses: ['a:1']}}", "lacks the key `master`"),
        ("{address: 'a:1', prefix: 'a{b}'}", "letters, digits"),
        ("{address: 'a:1', timeout: 5s}", "between"),
        ("{address: 'a:1', username: me}", "a user without a password"),
        ("{address: 'a:1', password: hunter2}", "must not stand in this file"),
        ("{address: 'a:1', tls: {}}", "`tls` says nothing"),
        ("{address: 'a:1', tls: on}", "whom we trust"),
        ("{address: 'a:1', database: 3}", "has no key `database`"),
    ],
)
def test_what_cannot_be_meant_is_said(text: str, wrong: str) -> None:
    _, problems = told(f"{{state: {text}}}")
    assert len(problems) == 1, problems
    assert wrong in problems[0]
    assert "hunter2" not in problems[0]
