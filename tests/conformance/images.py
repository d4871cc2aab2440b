"""The images of the conformance suite: under the names that it asks for, in one archive, since they share layers.

Where upstream's are Alpine with programs, ours are busybox with Debian's; docs/reference/conformance.md tells what else
differs.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from installer.bundle import archive, debian
from installer.bundle.recipe import Made, Progress, digest
from tests.conformance.commands import output, run

_ARCH: Final = "amd64"
# What pods of the suite call by name that busybox does not have, or does otherwise.
_TAKEN: Final = (
    *("bash", "curl", "dig", "getent", "host", "hostname", "iperf"),
    *("ip", "ipcs", "nc.openbsd", "nginx", "nslookup", "ss", "stress"),
)
_FOLDERS: Final = (
    *("etc", "tmp", "root", "proc", "sys", "dev", "run", "var/tmp", "home"),
    *("usr/bin", "usr/sbin", "usr/local/bin", "sbin"),
)

_REGISTRY: Final = "registry.k8s.io"
_E2E: Final = f"{_REGISTRY}/e2e-test-images"


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of the suite: its layers, the lowest first, and how it starts."""

    layers: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    env: Mapping[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )

    def document(self) -> dict[str, Any]:
        """https://github.com/opencontainers/image-spec/blob/main/config.md"""
        found: dict[str, Any] = {"Env": [f"{name}={value}" for name, value in self.env.items()]}
        given = {"Entrypoint": list(self.entrypoint), "Cmd": list(self.command), "User": self.user}
        return found | {key: value for key, value in given.items() if value}


_AGNHOST: Final = Image(layers=("base", "tools", "agnhost"), entrypoint=("/agnhost",), command=("pause",))
_SHELL: Final = Image(layers=("base",), command=("sh",))
_NGINX: Final = Image(layers=("base", "tools", "nginx"), command=("nginx",))


def _website(name: str) -> Image:
    layers = ("base", "tools", "agnhost", name)
    return Image(layers=layers, entrypoint=("/agnhost",), command=("test-webserver",))


# As k8s.io/kubernetes/test/utils/image names them at VERSION.
IMAGES: Final = {
    f"{_E2E}/agnhost:2.63.0": _AGNHOST,
    f"{_E2E}/agnhost:2.55": _AGNHOST,
    f"{_E2E}/kitten:1.8": _website("kitten"),
    f"{_E2E}/nautilus:1.8": _website("nautilus"),
    f"{_E2E}/busybox:1.37.0-1": _SHELL,
    f"{_E2E}/busybox:1.36.1-1": _SHELL,
    f"{_E2E}/nonroot:1.5": Image(layers=("base",), command=("sh",), user="1234"),
    f"{_E2E}/nginx:1.15-4": _NGINX,
    f"{_E2E}/nginx:1.27-0": _NGINX,
    f"{_E2E}/nonewprivs:1.4": Image(layers=("base", "nonewprivs"), command=("nnp",)),
    f"{_E2E}/glibc-dns-testing:2.0.0": Image(layers=("base", "tools"), command=("bash",)),
    f"{_E2E}/ipc-utils:1.4": Image(layers=("base", "tools"), command=("sh",)),
    f"{_E2E}/regression-issue-74839:1.4": Image(layers=("base", "regression"), entrypoint=("/regression-issue-74839",)),
    f"{_E2E}/resource-consumer:1.14": Image(layers=("base", "tools", "consumer"), entrypoint=("/consumer",)),
    f"{_E2E}/sample-apiserver:1.29.2": Image(layers=("base", "sample"), entrypoint=("/sample-apiserver",)),
    f"{_REGISTRY}/etcd:3.6.8-0": Image(layers=("base", "etcd")),
    f"{_REGISTRY}/pause:3.10.2": Image(layers=("pause",), entrypoint=("/pause",), user="65535:65535"),
}
_NGINX_CONF: Final = """daemon off; user nobody nogroup; worker_processes 1; pid /run/nginx.pid; error_log /dev/stderr;
events { worker_connections 512; }
http {
  access_log /dev/stdout; default_type text/html;
  server { listen 80; root /usr/share/nginx/html; index index.html; }
}
"""
_PASSWD: Final = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP: Final = "root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True)
class ImagesRecipe:
    """All images in one archive, as `docker save` writes it: https://github.com/moby/docker-image-spec"""

    def key(self, made: Made) -> str:
        content = {name: made[part].name for name, part in sorted((part, part) for part in made if _is_part(part))}
        images = {name: [image.layers, image.document()] for name, image in IMAGES.items()}
        return digest("conformance images", archive.FORMAT, 1, content, images, _TAKEN, _NGINX_CONF, _PASSWD, _GROUP)

    def make(self, folder: Path, made: Made, progress: Progress) -> None:
        layers = Layers(folder / "layers", made)
        layers.make()
        packed: dict[str, Path] = {}
        for number, name in enumerate(layers.names):
            progress(f"layer {name}", number / len(layers.names))
            packed[name] = folder / f"{name}.tar"
            layers.pack(name, packed[name])
        target = folder / output("images.tar")
        target.parent.mkdir(parents=True, exist_ok=True)
        _save(target, packed)


def _is_part(part: str) -> bool:
    return part.startswith(("conformance/", "bin/etcd", "bin/coredns", "parts/pause"))


def _save(target: Path, layers: Mapping[str, Path]) -> None:
    digests = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in layers.items()}
    manifest = []
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, file in layers.items():
            info = tarfile.TarInfo(f"{digests[name]}.tar")
            info.size = file.stat().st_size
            with file.open("rb") as content:
                tar.addfile(info, content)
        for name, image in IMAGES.items():
            rootfs = {"type": "layers", "diff_ids": [f"sha256:{digests[layer]}" for layer in image.layers]}
            document = {"architecture": _ARCH, "os": "linux", "config": image.document(), "rootfs": rootfs}
            history = [{"created_by": name}] * len(image.layers)
            content_ = json.dumps({**document, "history": history}, sort_keys=True).encode()
            config = f"{hashlib.sha256(content_).hexdigest()}.json"
            _add(tar, config, content_)
            files = [f"{digests[layer]}.tar" for layer in image.layers]
            manifest.append({"Config": config, "RepoTags": [name], "Layers": files})
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


class Layers:
    """Trees of files that images are made of."""

    names: Final = (
        *("base", "tools", "agnhost", "nginx", "kitten", "nautilus", "nonewprivs", "regression"),
        *("consumer", "sample", "etcd", "pause"),
    )

    def __init__(self, folder: Path, made: Made) -> None:
        self._folder = folder
        self._made = made

    def make(self) -> None:
        """Lay out every one."""
        self._base()
        self._tools()
        agnhost = self._programs("agnhost", {"agnhost": output("agnhost"), "coredns": "bin/coredns"})
        for name in ("localhost.crt", "localhost.key"):
            shutil.copyfile(self._made[output(name)], agnhost / name)
        (agnhost / "agnhost-2").symlink_to("agnhost")
        (agnhost / "uploads").mkdir()
        user = "user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n"
        groups = "user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n"
        _write(agnhost / "etc/passwd", _PASSWD + user)
        _write(agnhost / "etc/group", _GROUP + groups)
        self._programs("regression", {"regression-issue-74839": output("regression-issue-74839")})
        self._programs("consumer", {name: output(program) for name, program in _CONSUMER.items()})
        self._programs("sample", {"sample-apiserver": output("sample-apiserver")})
        self._programs("etcd", {"usr/local/bin/etcd": "bin/etcd"})
        self._programs("pause", {"pause": "parts/pause"})
        nonewprivs = self._programs("nonewprivs", {"usr/local/bin/nnp": output("nonewprivs")})
        (nonewprivs / "usr/local/bin/nnp").chmod(0o4755)
        nginx = self._folder / "nginx"
        _write(nginx / "etc/nginx/nginx.conf", _NGINX_CONF)
        _write(nginx / "usr/share/nginx/html/index.html", "<html><body><h1>Welcome to nginx!</h1></body></html>\n")
        for name in ("var/log/nginx", "var/lib/nginx"):
            (nginx / name).mkdir(parents=True)
        for name in ("kitten", "nautilus"):
            _write(self._folder / name / "data.json", json.dumps({"image": f"{name}.jpg"}))
            shutil.copyfile(self._made[output(f"{name}.jpg")], self._folder / name / f"{name}.jpg")

    def pack(self, name: str, target: Path) -> None:
        """Write one as a layer: everything root's, at time 0, in the order of names, with the modes that it has."""

        def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            return info

        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(self._folder / name, arcname=".", filter=plain)

    def _programs(self, layer: str, programs: Mapping[str, str]) -> Path:
        root = self._folder / layer
        for path, part in programs.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._made[part], root / path)
            (root / path).chmod(0o755)
        return root

    def _base(self) -> None:
        base = self._programs("base", {"bin/busybox": output("busybox")})
        for name in _FOLDERS:
            (base / name).mkdir(parents=True, exist_ok=True)
        for name in ("tmp", "var/tmp"):
            (base / name).chmod(0o1777)
        (base / "root").chmod(0o700)
        applets = run([str(base / "bin/busybox"), "--list"], cwd=base).split()
        for name in applets:
            if name != "busybox":
                (base / "bin" / name).symlink_to("busybox")
        (base / "usr/bin/env").symlink_to("/bin/env")
        _write(base / "etc/passwd", _PASSWD)
        _write(base / "etc/group", _GROUP)
        _write(base / "etc/nsswitch.conf", "hosts: files dns\n")

    def _tools(self) -> None:
        """Some of Debian's programs, with the libraries that they name."""
        tree, tools = self._folder / "debian", self._folder / "tools"
        tree.mkdir(parents=True)
        debian.extract(self._made[output("debian.tar")], tree)
        for name in _TAKEN:
            found = next(path for path in (tree / "usr/bin" / name, tree / "usr/sbin" / name) if path.exists())
            path = found.relative_to(tree)
            _copy(found, tools / path)
            for library in _libraries(tree, path):
                _copy(tree / library, tools / "usr" / library)
        (tools / "lib").symlink_to("usr/lib")
        (tools / "lib64").symlink_to("usr/lib64")
        (tools / "usr/bin/nc.openbsd").rename(tools / "usr/bin/nc")
        (tools / "usr/local/bin").mkdir(parents=True)
        (tools / "usr/local/bin/iperf").symlink_to("../../bin/iperf")
        _copy(tree / debian.CA_BUNDLE, tools / debian.CA_BUNDLE)
        shutil.rmtree(tree)


_CONSUMER: Final = {"consumer": "resource-consumer", "consume-cpu": "consume-cpu"}


def _libraries(tree: Path, program: Path) -> list[str]:
    """Paths of the libraries that a program needs, without a leading slash."""
    lines = run(["chroot", str(tree), "/usr/bin/ldd", f"/{program}"], cwd=tree).splitlines()
    words = [word for line in lines for word in line.split()]
    return sorted({word.lstrip("/") for word in words if word.startswith("/lib")})


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)  # through links, with the mode


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
