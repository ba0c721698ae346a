"""What the whole process tries to reach, seen from outside: a gateway alone in a network namespace with a sniffer.

threats.md I1, I9 and I10: the destinations are the configured endpoints and nothing else, whatever the environment
says of proxies and whatever a model server says of redirects; and sensitive bytes travel to home endpoints only.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import inside_namespace

ROOT = Path(__file__).resolve().parents[2]
ENTER = ("unshare", "--map-root-user", "--net")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What `inside_namespace.py` saw."""
    for command in (ENTER[0], "ip"):
        if shutil.which(command) is None:
            pytest.skip(f"`{command}` is not installed here")
    tried = subprocess.run(
        [*ENTER, "sh", "-ec", "ip link set lo up; ip link add tide0 type veth peer name tide1"],
        capture_output=True,
        text=True,
    )
    if tried.returncode:
        pytest.skip(f"no network namespaces here: {tried.stderr.strip()}")
    ran = subprocess.run(
        [*ENTER, sys.executable, "-m", inside_namespace.__name__, str(tmp_path_factory.mktemp("namespace"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_sniffer_sees_and_the_requests_were_answered_from_everywhere(seen):
    """Otherwise what follows would be about nothing."""
    assert seen["would see"]
    assert set(seen["answered"]["quiet"]) <= {"home", "home-b"}
    assert seen["answered"]["full"]["burst"] > 0
    assert seen["answered"]["full"]["home"] > 0
    assert seen["answered"]["redirected"]["home-b"] > 0
    assert set(seen["answered"]["redirected everywhere"]) <= {"502", "503"}


def test_connections_are_begun_to_the_configured_endpoints_and_to_nothing_else(seen):
    assert set(seen["connects"]) == set(seen["places"].values())


def test_no_proxy_of_the_environment_and_no_redirect_is_followed(seen):
    assert seen["trapped"] == {"proxy": 0, "redirect": 0}


def test_the_only_datagrams_are_questions_for_the_configured_name(seen):
    assert {place.rpartition(":")[2] for place in seen["datagrams"]} <= {"53"}
    # A resolver may try the name with the machine's search domains behind it.
    assert seen["names"]
    assert {name for name in seen["names"] if not f"{name}.".startswith(f"{inside_namespace.NAMED}.")} == set()


def test_sensitive_bytes_are_in_no_packet_but_those_for_home(seen):
    places = seen["places"]
    assert set(seen["canary"]) == {places["gateway"], places["home"], places["home-b"]}


def test_nothing_else_is_sent(seen):
    # The kernel's own: ARP, and ICMPv6 and IGMP of an interface that comes up.
    kernel = {place for place in seen["others"] if place.startswith(("protocol 0x0806", "ff02:", "224.0.0."))}
    refused = {place for place in seen["others"] if place == "127.0.0.1 IP protocol 1"}
    assert set(seen["others"]) - kernel - refused == set()
