"""Debian files for images: packages unpacked, not installed, so that no program of the image runs while it is made."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from installer.bundle import archive
from installer.bundle.errors import ToolMissingError
from installer.bundle.recipe import Made, Progress, digest
from installer.core.errors import BundleError

CA_BUNDLE: Final = "etc/ssl/certs/ca-certificates.crt"
# What no program reads in a container: documentation, translations, package management and its scripts' needs.
PRUNED: Final = (
    "dev/*",
    "boot/*",
    "etc/apt/*",
    "etc/dpkg/*",
    "usr/share/doc/*",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/i18n/*",
    "usr/share/lintian/*",
    "usr/share/bash-completion/*",
    "usr/share/zsh/*",
    "usr/share/bug/*",
    "usr/share/pixmaps/*",
    "usr/share/perl5/*",
    "usr/share/debconf/*",
    "usr/share/common-licenses/*",
    "usr/share/ca-certificates/*",
    "usr/lib/*-linux-gnu/gconv/*",
    "usr/lib/*-linux-gnu/perl-base/*",
    "usr/lib/locale/*",
    "usr/lib/systemd/*",
    "usr/lib/udev/*",
    "usr/bin/perl*",
    "usr/bin/debconf*",
    "usr/sbin/dpkg*",
    "usr/bin/dpkg*",
    "var/lib/dpkg/*",
    "var/lib/apt/*",
    "var/cache/*",
    "var/log/*",
)
_TAIL: Final = 15


@dataclass(frozen=True, kw_only=True)
class DebianRecipe:
    """Packages and all they need as a tree; the archive's state decides their versions within `suite`."""

    output: str
    suite: str
    arch: str
    packages: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)  # what the packages' scripts would link
    pruned: tuple[str, ...] = ()  # beside PRUNED
    ca_bundle: str = ""  # the output that gets the certificates of trusted authorities alone

    def key(self, made: Made) -> str:
        wanted = [self.suite, self.arch, self.packages, dict(self.links), PRUNED, self.pruned, self.ca_bundle]
        return digest("debian", archive.FORMAT, self.output, wanted)

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        progress(f"packages of Debian {self.suite}", 0.0)
        tree = folder / "tree"
        make_tree(tree, self.packages, self.suite, self.arch, pruned=self.pruned, links=self.links)
        progress("one tree of them", 0.8)
        target = folder / self.output
        target.parent.mkdir(parents=True, exist_ok=True)
        archive.write_layer(target, [tree])
        if self.ca_bundle:
            shutil.copyfile(tree / CA_BUNDLE, folder / self.ca_bundle)


def make_tree(
    tree: Path, packages: Sequence[str], suite: str, arch: str, *, pruned: Sequence[str], links: Mapping[str, str]
) -> None:
    """Unpack `packages` and all they need below `tree`, without what no container reads, ready to be used."""
    unpack(packages, suite, arch, tree)
    bundle = _trusted_authorities(tree)
    prune(tree, (*PRUNED, *pruned))
    _configure(tree, links)
    (tree / CA_BUNDLE).parent.mkdir(parents=True, exist_ok=True)
    (tree / CA_BUNDLE).write_text(bundle)


def unpack(packages: Sequence[str], suite: str, arch: str, tree: Path) -> None:
    """Unpack `packages` and all they need below `tree`; raises ToolMissingError and BundleError."""
    if shutil.which("mmdebstrap") is None:
        raise ToolMissingError(
            "mmdebstrap is not installed; images are made of Debian packages with it",
            hint="`apt-get install mmdebstrap`, or `moorage bundle import` a bundle made elsewhere",
        )
    packed = tree.with_name(tree.name + ".tar")
    options = [f"--architectures={arch}", f"--include={','.join(packages)}", "--format=tar", "--quiet"]
    # Nothing is run in it, so no chroot is needed, and nobody needs to be root.
    how = ["--variant=extract", "--mode=chrootless"]
    argv = ["nice", "-n", "10", "mmdebstrap", *how, *options, suite, str(packed)]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BundleError(
            f"Debian {suite} cannot be unpacked",
            command=shlex.join(argv),
            status=result.returncode,
            last_lines=result.stderr.splitlines()[-_TAIL:],
            cause="no Debian mirror can be reached, or its key is not known here (package debian-archive-keyring)",
            hint="repeat the command, or `moorage bundle import` a bundle made elsewhere",
        )
    extract(packed, tree)
    packed.unlink()


def extract(packed: Path, tree: Path) -> None:
    """Unpack a tar file of ours or of mmdebstrap's; owners, times and devices are left out."""
    with tarfile.open(packed) as tar:
        for member in tar:
            _place(tar, member, tree)


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, tree: Path) -> None:
    # By hand: tarfile's own filters came with Python 3.11.4, and Debian 12 has 3.11.2.
    target = _below(tree, member.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        target.mkdir(exist_ok=True)
    elif member.issym():
        target.unlink(missing_ok=True)
        target.symlink_to(member.linkname)
    elif member.islnk():
        target.unlink(missing_ok=True)
        target.hardlink_to(_below(tree, member.linkname))
    elif (content := tar.extractfile(member)) is not None:
        target.unlink(missing_ok=True)
        with target.open("wb") as out:
            shutil.copyfileobj(content, out)
        target.chmod(0o755 if member.mode & 0o111 else 0o644)


def _below(tree: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BundleError(f"an archive has the path {name}, which leaves its directory", hint="do not use that source")
    return tree / path


def prune(tree: Path, patterns: Sequence[str]) -> None:
    """Remove what matches one of `patterns`, which are relative to `tree`."""
    for pattern in patterns:
        for found in sorted(tree.glob(pattern)):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink()


def _trusted_authorities(tree: Path) -> str:
    found = sorted((tree / "usr/share/ca-certificates").rglob("*.crt"))
    return "".join(file.read_text().rstrip() + "\n" for file in found)


def _configure(tree: Path, links: Mapping[str, str]) -> None:
    """Do what the packages' scripts would do, as far as a container needs it."""
    for name in ("passwd", "group"):
        shutil.copyfile(tree / f"usr/share/base-passwd/{name}.master", tree / f"etc/{name}")
    (tree / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    for name, target in links.items():
        link = tree / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    for name in ("tmp", "var/tmp", "dev", "proc", "sys", "run"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / CA_BUNDLE).parent.mkdir(parents=True, exist_ok=True)
