"""Releases and components are data, and the data is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.bundle import golang, python, upstream
from installer.bundle.build import plan
from installer.bundle.components import PARTS, component, components
from installer.bundle.errors import UnpinnedError
from installer.bundle.release import ARCHITECTURES, Release, load_release, releases
from installer.bundle.release import _parse as parse
from installer.core.errors import BundleError
from installer.core.version import Version

RELEASES = pytest.mark.parametrize("release", releases(), ids=lambda release: release.name)


@RELEASES
def test_every_go_module_of_a_release_is_pinned_here(release: Release) -> None:
    """A go.mod and a go.sum; without them a build would take whatever is there today."""
    for one in components(release, arch="amd64"):
        folder = golang.PROGRAMS / one.source.module
        assert (folder / "go.mod").is_file(), one.title
        assert (folder / "go.sum").is_file(), one.title


@RELEASES
def test_the_pinned_modules_have_the_versions_of_the_release(release: Release) -> None:
    """What the release says is what is built."""
    for one in components(release, arch="amd64"):
        if one.version:
            text = (golang.PROGRAMS / one.source.module / "go.mod").read_text()
            assert f"v{one.version}" in text, one.title


@RELEASES
def test_a_release_is_reached_from_releases_there_are(release: Release) -> None:
    """Older ones."""
    for name in release.reached_from:
        assert Version.parse(load_release(name).name) < Version.parse(release.name)


@RELEASES
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_bundle_consists_of(release: Release, arch: str) -> None:
    """Programs, network plugins, the binaries of each Kubernetes version, and three images."""
    outputs = [output for item in plan(release, arch=arch, source="source") for output in item.outputs]
    kubernetes = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"]
    assert len(outputs) == len(set(outputs))
    assert {output for output in outputs if not output.startswith(PARTS)} == {
        *(
            f"bin/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "flanneld", "moorage-host")
        ),
        *(f"bin/{name}" for name in ("coredns", "metrics-server", "metallb-speaker", "moorage-datastore")),
        *(f"bin/{name}" for name in ("etcd", "etcdctl", "etcdutl")),
        *(f"cni/{name}" for name in ("bridge", "host-local", "loopback", "portmap")),
        *(f"images/{name}.tar" for name in ("pause", "node", "controller")),
        *(f"kubernetes/{version}/{name}" for version in ("1.36.3", "1.37.2") for name in kubernetes),
    }


@RELEASES
def test_what_an_item_needs_is_made_before_it(release: Release) -> None:
    """The order of the plan is the order of building."""
    made: set[str] = set()
    for item in plan(release, arch="amd64", source="auto"):
        assert set(item.needs) <= made, item.title
        made.update(item.outputs)


def test_another_architecture_is_another_build() -> None:
    """The same one is found again."""
    recipe = golang.GoRecipe(component("pause", "", arch="amd64"), "amd64")
    other = golang.GoRecipe(component("pause", "", arch="arm64"), "arm64")
    assert recipe.key({}) == recipe.key({})
    assert recipe.key({}) != other.key({})


def test_official_builds_are_used_only_with_a_known_digest() -> None:
    """Asked for by name, a release without digests is refused, and every URL named."""
    release = load_release("2026.11")
    parts = components(release, arch="amd64")
    with pytest.raises(UnpinnedError) as caught:
        upstream.require_pinned(parts, {}, release.name)
    assert "https://dl.k8s.io/v1.37.2/bin/linux/amd64/kubelet" in caught.value.last_lines
    assert "moorage bundle pin 2026.11" in caught.value.hint


@pytest.mark.parametrize(("source", "recipes"), [("source", 1), ("release", 1), ("auto", 2)])
def test_where_an_item_may_come_from(source: str, recipes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From source, as its makers publish it, or the one where the other cannot be reached."""
    release = load_release("2026.11")
    known = {url: "0" * 64 for one in components(release, arch="amd64") for url in upstream.urls(one)}
    monkeypatch.setattr(upstream, "pins", lambda: known)
    etcd = next(i for i in plan(release, arch="amd64", source=source) if "bin/etcd" in i.outputs)  # type: ignore[arg-type]
    ours = next(i for i in plan(release, arch="amd64", source=source) if "bin/moorage-host" in i.outputs)  # type: ignore[arg-type]
    assert len(etcd.recipes) == recipes
    assert isinstance(etcd.recipes[0], golang.GoRecipe) == (source == "source")
    assert [type(recipe) for recipe in ours.recipes] == [golang.GoRecipe]


def test_an_unknown_release_is_told_with_those_there_are() -> None:
    """So that the specification can be corrected."""
    with pytest.raises(BundleError, match=r"no release 2031\.01") as caught:
        load_release("2031.01")
    assert "2026.10, 2026.11" in caught.value.hint


@pytest.mark.parametrize("text", ["name: 2026.11", "[", "name: x\nfrom: []\ncomponent: {}"])
def test_a_malformed_release_is_named(text: str) -> None:
    """With its file."""
    with pytest.raises(BundleError, match=r"2026\.12\.yaml is malformed"):
        parse("2026.12.yaml", text)


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
        ("go.etcd.io/etcd/server/v3", "server"),
        (".", "pause"),
    ],
)
def test_go_names_a_program_after_its_package(package: str, name: str) -> None:
    """The last part of its path that is not a major version."""
    assert golang.program_name(package, golang.PROGRAMS / "pause" / "go.mod") == name


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("dial tcp 10.0.0.1:443: i/o timeout", "module proxy"),
        ("go: go.mod requires go >= 1.99", "too old"),
        ("write /x: no space left on device", "disk is full"),
        ("compile: signal: killed", "out of memory"),
        ("syntax error", ""),
    ],
)
def test_why_a_build_failed_is_read_from_its_last_lines(line: str, cause: str) -> None:
    """Where it is one of the usual causes."""
    assert cause in golang._cause(["building", line])
    assert bool(golang._cause([line])) == bool(cause)


def test_the_controllers_image_has_only_what_the_controller_imports() -> None:
    """Nothing of Pulumi, SSH or terminals; releases and the modules that render clusters."""
    found = {str(file.relative_to(python._INSTALLER)) for file in python.sources()}
    assert {"__init__.py", "kubernetes/node.py", "bundle/release.py", "bundle/releases/2026.11.yaml"} <= found
    assert not [name for name in found if name.startswith(("cli/", "provision/", "transport/", "workflows/"))]
    assert not [name for name in found if "__pycache__" in name]


def test_every_wheel_is_pinned_by_digest() -> None:
    """For both architectures, and at the version that pyproject.toml has."""
    lines = [line for line in python.REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    pinned = {line.split("==")[0]: line.split("==")[1].split()[0] for line in lines}
    assert all("--hash=sha256:" in line for line in lines)
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    for name in ("kopf", "lightkube", "lightkube-models", "cryptography", "pydantic", "PyYAML"):
        assert f'"{name}=={pinned[name.lower()]}"' in project


def test_the_reference_page_tells_every_release() -> None:
    """With the versions of its components."""
    page = (Path(__file__).parents[3] / "docs/reference/releases.md").read_text()
    for release in releases():
        parts = release.components
        cells = [release.name, release.kubernetes.manager, ", ".join(release.kubernetes.clusters)]
        cells += [
            parts.etcd,
            parts.containerd,
            parts.runc,
            parts.cni,
            parts.flannel,
            parts.coredns,
            parts.metrics_server,
            parts.metallb,
        ]
        cells += [", ".join(release.reached_from) or "-"]
        assert f"| {' | '.join(cells)} |" in page
