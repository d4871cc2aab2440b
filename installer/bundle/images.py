"""The images of a release: what each consists of, and how it starts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from installer.bundle import archive, debian, python
from installer.bundle.archive import ImageConfig, reference
from installer.bundle.components import PARTS
from installer.bundle.debian import DebianRecipe
from installer.bundle.recipe import Item, Made, Progress, digest
from installer.bundle.release import Release

__all__ = ["items", "reference"]

_NODE_FILES: Final = f"{PARTS}debian/node.tar"
_CA_BUNDLE: Final = f"{PARTS}debian/ca-certificates.crt"
_PYTHON: Final = f"{PARTS}python/base.tar"
_CONTROLLER: Final = f"{PARTS}python/controller.tar"
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The programs of a node are not in its image: a node pod has the host's release mounted at /opt/moorage/current.
_NODE_PACKAGES: Final = (
    "base-files",
    "base-passwd",
    "ca-certificates",
    "conntrack",
    "coreutils",
    "dash",
    "ethtool",
    "findutils",
    "grep",
    "iproute2",
    "iptables",
    "kmod",
    "mawk",
    "mount",
    "nftables",
    "procps",
    "sed",
    "util-linux",
)
_NODE_LINKS: Final = {
    "usr/bin/awk": "mawk",
    "usr/sbin/iptables": "xtables-nft-multi",
    "usr/sbin/iptables-restore": "xtables-nft-multi",
    "usr/sbin/iptables-save": "xtables-nft-multi",
    "usr/sbin/ip6tables": "xtables-nft-multi",
    "usr/sbin/ip6tables-restore": "xtables-nft-multi",
    "usr/sbin/ip6tables-save": "xtables-nft-multi",
}
_NODE_PRUNED: Final = ("usr/bin/openssl", "usr/lib/ssl/misc/*", "usr/share/terminfo/*", "usr/share/gcc/*")


@dataclass(frozen=True, kw_only=True)
class ImageRecipe:
    """An image of trees that are made already, and of single files."""

    name: str
    arch: str
    config: ImageConfig
    trees: tuple[str, ...] = ()  # outputs that are tar files, a later one over an earlier
    files: Mapping[str, str] = field(default_factory=dict)  # path in the image -> output

    @property
    def output(self) -> str:
        return f"images/{self.name}.tar"

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.trees, *self.files.values())

    def key(self, made: Made) -> str:
        content = [[made[tree].name for tree in self.trees], {path: made[o].name for path, o in self.files.items()}]
        return digest("image", archive.FORMAT, self.name, self.arch, self.config.document(), content)

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        progress("its files", 0.0)
        tree = folder / "tree"
        tree.mkdir()
        for output in self.trees:
            debian.extract(made[output], tree)
        for path, output in self.files.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made[output], target)
            target.chmod(0o755 if path not in _DATA else 0o644)
        progress("one layer", 0.5)
        layer = folder / "layer.tar"
        archive.write_layer(layer, [tree])
        target = folder / self.output
        target.parent.mkdir()
        archive.write_image(target, self.name, self.arch, self.config, layer)


_DATA: Final = (debian.CA_BUNDLE,)


def items(release: Release, *, arch: str) -> tuple[Item, ...]:
    """What makes the images of `release`, in the order of building; the programs in them are built before."""
    node_files = DebianRecipe(
        output=_NODE_FILES,
        suite=release.debian,
        arch=arch,
        packages=_NODE_PACKAGES,
        links=_NODE_LINKS,
        pruned=_NODE_PRUNED,
        ca_bundle=_CA_BUNDLE,
    )
    base = python.BaseRecipe(output=_PYTHON, suite=release.debian, arch=arch)
    controller = python.ControllerRecipe(output=_CONTROLLER, base=_PYTHON, arch=arch)
    return (
        Item(title="Debian files of nodes", outputs=(_NODE_FILES, _CA_BUNDLE), seconds=15, recipes=(node_files,)),
        Item(title="Python of the controller", outputs=(_PYTHON,), seconds=45, recipes=(base,)),
        Item(title="controller", outputs=(_CONTROLLER,), seconds=5, recipes=(controller,), needs=(_PYTHON,)),
        *(_image(recipe) for recipe in _images(arch)),
    )


def _images(arch: str) -> tuple[ImageRecipe, ...]:
    return (
        ImageRecipe(
            name="pause",
            arch=arch,
            # Pods that bring their program with a volume start from this image, and say themselves as whom.
            config=ImageConfig(entrypoint=("/pause",)),
            files={"pause": f"{PARTS}pause"},
        ),
        ImageRecipe(
            name="node",
            arch=arch,
            config=ImageConfig(entrypoint=("/bin/sh",), env={"PATH": _PATH}),
            trees=(_NODE_FILES,),
        ),
        ImageRecipe(
            name="controller",
            arch=arch,
            config=ImageConfig(
                entrypoint=("/usr/bin/python3", "-m", "installer.controller"),
                env={"PATH": _PATH, "PYTHONPATH": f"/{python.HOME}", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"},
                user="65532:65532",
                folder="/tmp",  # noqa: S108 - a volume of the pod
            ),
            trees=(_PYTHON, _CONTROLLER),
        ),
    )


def _image(recipe: ImageRecipe) -> Item:
    return Item(
        title=f"image {recipe.name}", outputs=(recipe.output,), seconds=3, recipes=(recipe,), needs=recipe.needs
    )
