"""What the conformance suite consists of, built once: its programs from Go modules, its images from what is at hand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.bundle import debian, golang
from installer.bundle.build import Builder
from installer.bundle.components import Component, Source, component
from installer.bundle.recipe import BuildEvent, Item, Made, Progress, digest
from installer.bundle.release import Release, load_release
from installer.core import cache
from tests.conformance.commands import output, run
from tests.conformance.images import ImagesRecipe

VERSION: Final = "1.36.3"  # of Kubernetes: of the suite, and so of the clusters that it judges
_RELEASE: Final = "2026.11"
_ARCH: Final = "amd64"
_IMAGES: Final = "k8s.io/kubernetes/test/images"
_SECONDS: Final = 420.0
_PROGRAMS: Final = {
    "ginkgo": "github.com/onsi/ginkgo/v2/ginkgo",
    "agnhost": f"{_IMAGES}/agnhost",
    "nonewprivs": f"{_IMAGES}/nonewprivs",
    "regression-issue-74839": f"{_IMAGES}/regression-issue-74839",
    "resource-consumer": f"{_IMAGES}/resource-consumer",
    "consume-cpu": f"{_IMAGES}/resource-consumer/consume-cpu",
    "sample-apiserver": "k8s.io/sample-apiserver",
}
_TESTS: Final = {"e2e.test": "k8s.io/kubernetes/test/e2e"}
# Of the module itself, beside its programs: what images show, and what judges a list of tests.
_FILES: Final = {
    "kitten.jpg": "test/images/kitten/html/kitten.jpg",
    "nautilus.jpg": "test/images/nautilus/html/nautilus.jpg",
    "localhost.crt": "test/images/agnhost/porter/localhost.crt",
    "localhost.key": "test/images/agnhost/porter/localhost.key",
    "conformance.yaml": "test/conformance/testdata/conformance.yaml",
}
_DEBIAN: Final = (
    "base-files",
    "base-passwd",
    "bash",
    "bind9-dnsutils",
    "bind9-host",
    "ca-certificates",
    "curl",
    "hostname",
    "iperf",
    "iproute2",
    "libc-bin",
    "netcat-openbsd",
    "nginx-light",
    "stress",
    "util-linux",
)


@dataclass(frozen=True)
class Suite:
    """The suite, ready to run."""

    test: Path  # e2e.test
    ginkgo: Path
    images: Path  # one archive with all of them
    listed: Path  # conformance.yaml: every conformance test with what it asks of a cluster


def build(folder: Path, on_event: Callable[[BuildEvent], None]) -> Suite:
    """Have the suite, from the cache or made now, with its programs executable below `folder`."""
    root = cache.root()
    release = load_release(_RELEASE)
    made = Builder(root, on_event).run(_items(release))
    golang.discard_caches(root)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("e2e.test", "ginkgo"):
        target = folder / name
        target.unlink(missing_ok=True)
        shutil.copyfile(made[output(name)], target)
        target.chmod(0o755)
    return Suite(folder / "e2e.test", folder / "ginkgo", made[output("images.tar")], made[output("conformance.yaml")])


def _items(release: Release) -> tuple[Item, ...]:
    suite = Component(
        name="conformance",
        version=VERSION,
        title=f"conformance suite of Kubernetes {VERSION}",
        seconds=_SECONDS,
        source=Source(
            module=f"kubernetes-{VERSION}",
            packages={output(name): package for name, package in _PROGRAMS.items()},
            tests={output(name): package for name, package in _TESTS.items()},
            variables={
                "k8s.io/component-base/version.gitVersion": f"v{VERSION}",
                "k8s.io/component-base/version.gitMajor": VERSION.split(".")[0],
                "k8s.io/component-base/version.gitMinor": VERSION.split(".")[1],
                "k8s.io/component-base/version.gitTreeState": "clean",
            },
        ),
    )
    ours = [component("pause", "", arch=_ARCH)]
    ours += [component(name, version, arch=_ARCH) for name, version in _versions(release).items()]
    tools = debian.DebianRecipe(output=output("debian.tar"), suite=release.debian, arch=_ARCH, packages=_DEBIAN)
    go = golang.GoRecipe(suite, _ARCH)
    needs = (
        *suite.outputs,
        *(part for one in ours for part in one.outputs),
        *map(output, (*_FILES, "busybox", "debian.tar")),
    )
    return (
        *(
            Item(title=c.title, outputs=c.outputs, seconds=c.seconds, recipes=(golang.GoRecipe(c, _ARCH),))
            for c in ours
        ),
        Item(title=suite.title, outputs=suite.outputs, seconds=suite.seconds, recipes=(go,)),
        Item(title="files of the suite", outputs=tuple(map(output, _FILES)), seconds=5, recipes=(FilesRecipe(),)),
        Item(title="busybox", outputs=(output("busybox"),), seconds=60, recipes=(BusyboxRecipe(),)),
        Item(title="Debian's programs", outputs=(output("debian.tar"),), seconds=20, recipes=(tools,)),
        Item(
            title="images of the suite",
            outputs=(output("images.tar"),),
            seconds=15,
            recipes=(ImagesRecipe(),),
            needs=needs,
        ),
    )


def _versions(release: Release) -> dict[str, str]:
    return {"etcd": release.components.etcd, "coredns": release.components.coredns}


@dataclass(frozen=True)
class FilesRecipe:
    """Files of the Kubernetes module."""

    def key(self, made: Made) -> str:
        return digest("conformance files", VERSION, _FILES)

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        progress("out of the Go module", 0.0)
        argv = ["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"]
        env = {**os.environ, **golang.caches(cache.root()), "GOFLAGS": "-mod=readonly -modcacherw"}
        module = golang.PROGRAMS / f"kubernetes-{VERSION}"
        run(["go", "mod", "download", "k8s.io/kubernetes"], cwd=module, env=env)
        source = Path(run(argv, cwd=module, env=env).strip())
        for name, path in _FILES.items():
            target = folder / output(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / path, target)


@dataclass(frozen=True)
class BusyboxRecipe:
    """busybox of Debian's source package, static, without Debian's patches.

    With one of them its shell drops environment variables whose names are no identifiers, which tests rely on.
    """

    def key(self, made: Made) -> str:
        return digest("busybox", 1)

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        progress("Debian's source package", 0.0)
        work = folder / "busybox"
        work.mkdir()
        (work / "lists").mkdir()
        _sources(work / "debian.sources")
        apt = [
            *("-o", f"Dir::Etc::sourcelist={work / 'debian.sources'}", "-o", "Dir::Etc::sourceparts=-"),
            *("-o", f"Dir::State::lists={work / 'lists'}", "-o", "APT::Sandbox::User=root"),
        ]
        run(["apt-get", *apt, "update", "-qq"], cwd=work)
        run(["apt-get", *apt, "source", "--download-only", "-qq", "busybox"], cwd=work)
        [packed] = work.glob("busybox_*.orig.tar.*")
        tree = work / "tree"
        tree.mkdir()
        run(["tar", "-xf", str(packed), "--strip-components=1", "-C", str(tree)], cwd=work)
        progress("compiled", 0.2)
        run(["make", "-s", "defconfig"], cwd=tree)
        config = (tree / ".config").read_text().replace("# CONFIG_STATIC is not set", "CONFIG_STATIC=y")
        # Its traffic control does not compile with headers of current kernels.
        config = config.replace("CONFIG_TC=y", "# CONFIG_TC is not set").replace("CONFIG_FEATURE_TC_INGRESS=y\n", "")
        (tree / ".config").write_text(config)
        run(["nice", "-n", "10", "make", "-s", f"-j{os.cpu_count()}", "busybox"], cwd=tree)
        target = folder / output("busybox")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / "busybox", target)


def _sources(target: Path) -> None:
    """Debian's sources as this machine knows its packages."""
    lines = []
    for file in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        text = file.read_text() if file.is_file() else ""
        if file.suffix == ".sources":
            lines += [line if not line.startswith("Types:") else "Types: deb-src" for line in text.splitlines()] + [""]
        else:
            for line in text.splitlines():
                words = line.split()
                if words and words[0] == "deb":
                    at = 1 if not words[1].startswith("[") else 2
                    lines += ["Types: deb-src", f"URIs: {words[at]}", f"Suites: {words[at + 1]}"]
                    lines += [f"Components: {' '.join(words[at + 2 :])}", ""]
    target.write_text("\n".join(lines) + "\n")
