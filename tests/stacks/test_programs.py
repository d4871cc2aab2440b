"""The shipped stack programs with Pulumi's mocks: which resources they ask for, and the contract they export."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from installer.provision import values
from tests.stacks.mocked import Ran, run

_LOCAL = {
    "name": "home",
    "provider": {"kind": "local"},
    "hosts": [
        {"name": "manager", "role": "manager", "count": 1, "memory": "4Gi"},
        {"name": "worker", "role": "worker", "count": 2, "zones": ["a", "b"], "labels": {"disk": "ssd"}},
    ],
}
_ONPREM = {
    "name": "hall",
    "provider": {
        "kind": "onprem",
        "ssh": {
            "user": "ops",
            "port": 2222,
            "bastion": {
                "address": "jump.example.org",
                "user": "jump",
                "hostKey": "SHA256:bbb",
                "through": [{"address": "outer.example.org", "port": 2222}],
            },
        },
    },
    "hosts": [
        {"name": "m1", "role": "manager", "address": "192.0.2.11", "hostKey": "SHA256:aaa"},
        {
            "name": "w1",
            "role": "worker",
            "address": "w1.example.org",
            "clusterAddress": "10.0.0.21",
            "user": "root",
            "port": 22,
            "zone": "b",
        },
    ],
}


def test_the_platforms_stack_makes_its_secrets_and_keeps_them_secret() -> None:
    """One resource; what it exports is JSON of the flat names and values, and the specification as it was given."""
    config = {"platform": "t", "specification": '{"kind": "Platform"}\n'}
    ran = run("platform", config, outputs={"secrets": {"values": {"ssh.key": "k"}}})
    assert [(r["type"], r["name"]) for r in ran.made if r["name"] != "moorage-platform-dev"] == [
        ("moorage:platform:Secrets", "secrets")
    ]
    assert ran.inputs("secrets") == {"platform": "t"}
    assert json.loads(ran.exports["secrets"]) == {"ssh.key": "k"}
    assert ran.exports["specification"] == '{"kind": "Platform"}\n'
    assert ran.secret == {"secrets": False, "specification": False}  # the mock does not mark it; our provider does


def test_the_platforms_secrets_are_told_their_stage() -> None:
    """And how long authorities live that are made for it; neither is an input where nothing is said."""
    config = {"platform": "t", "specification": "{}", "authorityDays": "30", "stage": "trust"}
    ran = run("platform", config, outputs={"secrets": {"values": {"ssh.key": "k"}}})
    assert ran.inputs("secrets") == {"platform": "t", "authorityDays": "30", "stage": "trust"}


def test_the_local_stack_makes_a_network_and_every_host_in_it() -> None:
    """Groups are counted out; each host gets the network's name and range, routes and key, and its limits."""
    ran = run(
        "local",
        {"platform": "t", "region": _LOCAL, "publicKey": "ssh-ed25519 AAAA", "routes": ["10.127.0.0/16"]},
        outputs={
            "network": {"name": "moorage-t", "range": "198.18.7.0/24"},
            **{
                name: {"address": f"198.18.7.{10 + number}", "hostKey": f"ssh-ed25519 {name}"}
                for number, name in enumerate(("manager-1", "worker-1", "worker-2"))
            },
        },
    )
    assert ran.inputs("manager-1") == {
        "platform": "t",
        "name": "manager-1",
        "network": "moorage-t",
        "range": "198.18.7.0/24",
        "routes": ["10.127.0.0/16"],
        "publicKey": "ssh-ed25519 AAAA",
        "memory": "4Gi",
    }
    region = ran.region
    assert (region.region, region.provider) == ("home", "local")
    assert [(h.name, h.role, h.zone, h.address, str(h.cluster_address), h.host_key) for h in region.hosts] == [
        ("manager-1", "manager", "a", "198.18.7.10", "198.18.7.10", "ssh-ed25519 manager-1"),
        ("worker-1", "worker", "a", "198.18.7.11", "198.18.7.11", "ssh-ed25519 worker-1"),
        ("worker-2", "worker", "b", "198.18.7.12", "198.18.7.12", "ssh-ed25519 worker-2"),
    ]
    assert [h.labels for h in region.hosts] == [{}, {"disk": "ssd"}, {"disk": "ssd"}]


def _onprem(hidden: Mapping[str, str]) -> Ran:
    found = {
        name: {"hostKey": f"ssh-ed25519 {name}", "machineId": f"id-{name}", "arch": "arm64"} for name in ("m1", "w1")
    }
    return run("onprem", {"platform": "t", "region": _ONPREM}, outputs=found, hidden=hidden)


def test_the_onprem_stack_records_what_was_seen() -> None:
    """The whole host key, machine id and architecture come from the host, the rest is the specification's."""
    region = _onprem({"key": "PRIVATE"}).region
    assert (region.region, region.provider) == ("hall", "onprem")
    rows = [
        (h.name, h.address, str(h.cluster_address), h.user, h.port, h.zone, h.machine_id, h.arch) for h in region.hosts
    ]
    assert rows == [
        ("m1", "192.0.2.11", "192.0.2.11", "ops", 2222, "a", "id-m1", "arm64"),
        ("w1", "w1.example.org", "10.0.0.21", "root", 22, "b", "id-w1", "arm64"),
    ]
    assert [h.host_key for h in region.hosts] == ["ssh-ed25519 m1", "ssh-ed25519 w1"]
    bastion = region.hosts[0].bastion
    assert bastion is not None
    assert (bastion.address, bastion.user, bastion.host_key) == ("jump.example.org", "jump", "SHA256:bbb")
    assert [(one.address, one.port) for one in bastion.through] == [("outer.example.org", 2222)]


def test_the_onprem_stack_asks_with_what_was_given() -> None:
    """A pin only where the specification has one; the login key only where there is one."""
    ran = _onprem({"key": "PRIVATE", "sudoPassword": ""})
    assert ran.inputs("m1")["hostKey"] == "SHA256:aaa"
    assert "hostKey" not in ran.inputs("w1")
    assert ran.inputs("m1")["key"] == values.as_secret("PRIVATE")
    assert "sudoPassword" not in ran.inputs("m1")
    assert "key" not in _onprem({}).inputs("m1")


def test_login_keys_are_in_no_output() -> None:
    """What a region exports may be read by everybody."""
    ran = _onprem({"key": "PRIVATE", "sudoPassword": "WORD", "proxy": "http://a:LOGIN@b:1"})
    assert ran.inputs("m1")["proxy"] == values.as_secret("http://a:LOGIN@b:1")
    assert "LOGIN" not in ran.exports["region"]
    assert "PRIVATE" not in ran.exports["region"]
    assert "WORD" not in ran.exports["region"]


@pytest.mark.parametrize("project", ["local", "onprem"])
def test_a_stack_without_its_settings_says_which_is_missing(project: str) -> None:
    """By name, before it asks for anything."""
    with pytest.raises(AssertionError, match="region"):
        run(project, {"platform": "t"})
