"""What is to be done on a host."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from installer.core.secret import Secret
from installer.hostops.diff import Act, HostChange, changes, started_on
from installer.hostops.facts import HostFacts, Manifest, SeenFile, SeenUnit
from installer.hostops.state import Directory, File, HostState, Link, Module, Sysctl, Unit
from tests.unit.hostops.hosts import facts

WANTED = HostState(
    directories=(Directory("/var/lib/x", 0o700),),
    modules=(Module("overlay"),),
    sysctls=(Sysctl("net.ipv4.ip_forward", "1"),),
    files=(File("/etc/x.conf", "new\n"), File("/etc/x.key", Secret("key"), 0o600), File("/etc/x.crt", None)),
    links=(Link("/opt/x/current", "/opt/x/releases/1"),),
    units=(Unit("x.service", restart_on=("/etc/x.conf", "/opt/x/current")),),
)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def settled(wanted: HostState = WANTED) -> HostFacts:
    """A host after everything of `wanted` was done."""
    files = {file.path: SeenFile(file.mode, "0:0", file.sha256 or sha256("whatever is there")) for file in wanted.files}
    seen = facts(
        modules=frozenset(module.name for module in wanted.modules),
        sysctls={setting.key: setting.value for setting in wanted.sysctls},
        files=files,
        links={link.path: link.target for link in wanted.links},
        directories={directory.path: (directory.mode, "0:0") for directory in wanted.directories},
        units={unit.name: SeenUnit("active", "running", "enabled", 0) for unit in wanted.units},
    )
    manifest = Manifest(
        files={path: found.sha256 for path, found in files.items()},
        links=dict(seen.links),
        units={unit.name: started_on(unit, wanted, seen) for unit in wanted.units},
    )
    return replace(seen, manifest=manifest)


def spoilt(**changed: object) -> HostFacts:
    return replace(settled(), **changed)  # type: ignore[arg-type]  # any field


def test_what_was_done_is_not_planned_again() -> None:
    """A second look is empty."""
    assert changes(WANTED, settled()) == ()


def test_a_fresh_host_gets_everything() -> None:
    """In an order in which each thing has what it needs."""
    found = changes(WANTED, facts(sysctls={}))
    assert [(change.act, change.subject) for change in found] == [
        (Act.MAKE_DIRECTORY, "/var/lib/x"),
        (Act.LOAD_MODULE, "overlay"),
        (Act.SET, "net.ipv4.ip_forward"),
        (Act.WRITE, "/etc/x.conf"),
        (Act.WRITE, "/etc/x.key"),
        (Act.LINK, "/opt/x/current"),
        (Act.START, "x.service"),
    ]


def file(path: str, *, mode: int = 0o644, content: str = "new\n") -> dict[str, SeenFile]:
    return {**settled().files, path: SeenFile(mode, "0:0", sha256(content))}


RESTART = "restart x.service: x.conf changes"


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (spoilt(files=file("/etc/x.conf", content="by hand")), ["write /etc/x.conf: was changed by hand", RESTART]),
        (spoilt(files=file("/etc/x.conf", mode=0o666)), ["write /etc/x.conf: mode 666 of 0:0"]),
        (spoilt(files=file("/etc/x.key", mode=0o644, content="key")), ["write /etc/x.key: mode 644 of 0:0"]),
        (spoilt(files=file("/etc/x.crt", content="renewed by itself")), []),
        (
            spoilt(links={"/opt/x/current": "/opt/x/releases/0"}),
            ["link /opt/x/current: to /opt/x/releases/1", "restart x.service: current changes"],
        ),
        (spoilt(directories={"/var/lib/x": (0o755, "0:0")}), ["make-directory /var/lib/x: mode 755 of 0:0"]),
        (spoilt(units={"x.service": SeenUnit("failed", "failed", "enabled", 5)}), ["start x.service: is failed"]),
        (spoilt(units={"x.service": SeenUnit("inactive", "dead", "enabled", 0)}), ["start x.service"]),
        (spoilt(units={"x.service": SeenUnit("active", "running", "disabled", 0)}), ["enable x.service"]),
        (spoilt(units={"x.service": SeenUnit("activating", "auto-restart", "enabled", 9)}), []),
    ],
)
def test_only_what_differs_is_done(seen: HostFacts, wanted: list[str]) -> None:
    """With the reason in words; a unit starts again only for what it reads."""
    assert [str(change) for change in changes(WANTED, seen)] == wanted


def test_a_unit_whose_files_an_earlier_run_changed_is_still_restarted() -> None:
    """That run was killed before it came to it."""
    manifest = replace(settled().manifest, units={"x.service": ""})
    assert changes(WANTED, spoilt(manifest=manifest)) == (
        HostChange(Act.RESTART, "x.service", "was not started since its files changed"),
    )


def test_what_is_no_longer_wanted_goes_first() -> None:
    """Units are stopped before their files are removed; what we did not install is nobody's business."""
    seen = settled()
    manifest = Manifest(
        files={**seen.manifest.files, "/etc/old.conf": "1"},
        links={**seen.manifest.links, "/etc/old.link": "x"},
        units={**seen.manifest.units, "old.service": "1"},
    )
    found = changes(WANTED, replace(seen, manifest=manifest, files={**seen.files, "/etc/theirs": SeenFile(0, "", "")}))
    assert [str(change) for change in found] == [
        "stop old.service: no longer wanted",
        "remove /etc/old.conf: no longer wanted",
        "remove /etc/old.link: no longer wanted",
    ]


def test_no_change_shows_a_secret() -> None:
    """Neither what is wanted nor what is done."""
    hidden = HostState(files=(File("/etc/x.key", Secret("hunter2"), 0o600),))
    assert "hunter2" not in repr(hidden)
    assert "hunter2" not in repr(changes(hidden, facts()))


def test_two_entries_for_one_thing_are_refused() -> None:
    """The second would undo the first."""
    with pytest.raises(ValueError, match="two entries for the path /etc/x"):
        HostState(files=(File("/etc/x", "1"), File("/etc/x", "2")))
