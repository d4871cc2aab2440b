"""What the controller takes for so many clusters, which have an API and a node each but neither kubelets nor pods.

Everything is in network and mount namespaces of its own. The manager's API server and both etcds are the bundle's; what
would need many machines are stand-ins. CPU is the controller's alone, that of its etcdctl included, so it may be told
from a machine that others use, too. Nothing is asserted.
"""

from __future__ import annotations

import os
import re
import resource
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.resources.core_v1 import Node

from installer.bundle.bundle import Bundle
from installer.controller.manager_api import Api
from installer.kubernetes import addons, client, datastore, etcd, pki, speakers
from installer.kubernetes.client import ClusterResource, DatastoreResource
from installer.kubernetes.roots import Roots
from installer.kubernetes.settings import PlatformSettings
from tests.bench import stand_ins
from tests.bench.lone_controller import ADDRESS
from tests.bench.stand_ins import Tenants
from tests.unit.kubernetes import fixed

SIZES = (50, 100, 250, 500, 1000)
_TOKEN, _PORT = "bench", 6444
_SERVER = f"https://{ADDRESS}:{_PORT}"
_ACCOUNT = Path("/run/secrets/kubernetes.io/serviceaccount")
_POOL = {"name": "general", "kind": "shared", "count": 1, "cpu": "1", "memory": "1Gi"}
_SPEC = {"version": "1.36.3", "pools": [_POOL]}
_CLUSTER = {"apiVersion": "moorage.dev/v1", "kind": "Cluster", "spec": _SPEC}
_IDLE_S, _SETTLE_S, _TIMEOUT_S = 60.0, 30.0, 3600.0
_WRITES = ("POST", "PUT", "PATCH", "APPLY", "DELETE")
_REQUESTS = re.compile(r'^apiserver_request_total{[^}]*verb="([A-Z]+)"[^}]*} (\S+)$', re.MULTILINE)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Taken:
    """What was taken so far: seconds of CPU, requests to the manager and to the clusters' APIs."""

    cpu_s: float
    children_s: float  # of programs that the controller ran
    manager: int
    writes: int  # of those
    inside: int

    @classmethod
    def until_now(cls, pid: int, manager: str, inside: Mapping[str, int]) -> Taken:
        """`manager`: what its API server measures; `inside`: by method."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user, system, users, systems = (int(ticks) / _TICKS for ticks in fields[11:15])
        verbs: Counter[str] = Counter()
        for verb, value in _REQUESTS.findall(manager):
            verbs[verb] += int(float(value))
        asked = {verb: verbs[verb] for verb in ("GET", "LIST", *_WRITES)}
        reads = sum(count for method, count in inside.items() if method != "WATCH")
        return cls(user + system, users + systems, sum(asked.values()), sum(verbs[verb] for verb in _WRITES), reads)


def main(sizes: Sequence[int] = SIZES) -> None:
    """Print a row a size and phase."""
    _say(f"load of the machine {os.getloadavg()}, {os.cpu_count()} CPU")
    _say("clusters  phase    seconds   CPU s  etcdctl  ms each    MiB  manager  writes  inside   (requests a cluster)")
    for size in sizes:
        apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        subprocess.run([*apart, sys.executable, "-m", "tests.bench.objects", str(size)], check=True)


def one_size(count: int) -> None:
    """In namespaces of our own: bring all up, make so many clusters, start the controller anew, let it be idle."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for words in ("link set lo up", "address add 10.127.0.1/16 dev lo"):  # the whole network, so to speak
        subprocess.run(["ip", *words.split()], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        _Bench(Path(name), stack).run(count)


class _Bench:
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._bundle = Bundle.load("2026.11")
        self._authority = pki.new_ca("bench")
        self._running: list[subprocess.Popen[bytes]] = []
        self._manager = self._bring_up()
        self._tenants = Tenants(partial(stand_ins.tenant_of, self._manager))
        self._tenants.start()
        for work in (
            partial(stand_ins.run_deployments, self._manager),
            partial(stand_ins.run_node_pods, self._manager, self._tenants),
        ):
            threading.Thread(target=work, daemon=True).start()

    def run(self, count: int) -> None:
        controller = self._controller()
        with self._measured(count, "made", controller):
            for number in range(count):
                client.apply(self._manager, [{**_CLUSTER, "metadata": {"name": f"c{number}"}}])
            self._until(lambda: self._ready() == count)
        controller.kill()
        controller.wait()
        self._running.remove(controller)
        self._tenants.looked.clear()
        controller = self._controller()
        with self._measured(count, "anew", controller):
            self._until(lambda: len(self._tenants.looked) == count)
        time.sleep(_SETTLE_S)
        with self._measured(count, "idle", controller):
            time.sleep(_IDLE_S)

    def _bring_up(self) -> Client:
        member = self._authority.issue(pki.Subject("member", names=(ADDRESS,), server=True))
        account = Roots.generate("bench").service_account_key
        for name, text in {
            "ca.crt": self._authority.cert_pem,
            "ca.key": self._authority.key_pem.reveal(),
            "tls.crt": member.cert_pem,
            "tls.key": member.key_pem.reveal(),
            "account.key": account.reveal(),
            "account.pub": pki.public_key_pem(account),
            "tokens.csv": f"{_TOKEN},bench,1,system:masters\n",
            "settings.json": fixed.settings(services="10.127.0.0/16").to_json(),
        }.items():
            (self._folder / name).write_text(text)
        self._etcd("manager", 2479)
        self._etcd("shared", etcd.CLIENT_PORT, tls=True)
        files = {"tls-cert-file": "tls.crt", "tls-private-key-file": "tls.key", "token-auth-file": "tokens.csv"}
        files |= {"service-account-key-file": "account.pub", "service-account-signing-key-file": "account.key"}
        self._start(
            str(self._bundle.path(f"kubernetes/{self._bundle.info.kubernetes.manager}/kube-apiserver")),
            *(f"--{flag}={self._folder}/{file}" for flag, file in files.items()),
            *(f"--etcd-servers=http://{ADDRESS}:2479", f"--secure-port={_PORT}", "--authorization-mode=RBAC"),
            *("--service-cluster-ip-range=10.127.0.0/16", "--service-account-issuer=https://bench"),
            *("--service-node-port-range=20000-32767", "--disable-admission-plugins=ServiceAccount"),
            *("--allow-privileged", f"--advertise-address={ADDRESS}", "--endpoint-reconciler-type=none"),
        )
        _ACCOUNT.mkdir(parents=True)
        for name, text in {"token": _TOKEN, "ca.crt": self._authority.cert_pem, "namespace": "default"}.items():
            (_ACCOUNT / name).write_text(text)
        self._until(lambda: client.not_ready(_SERVER, self._authority.cert_pem) is None)
        user = User(token=_TOKEN)
        config = KubeConfig.from_one(cluster=Cluster(server=_SERVER, insecure=True), user=user)
        manager = client.client_of(config)
        settings = PlatformSettings.from_json((self._folder / "settings.json").read_text())
        client.apply(manager, [*addons.manager(settings), *speakers.access()])
        self._until(lambda: bool(client.found_or_none(lambda: list(manager.list(DatastoreResource))) is not None))
        client.apply(manager, [datastore.resource("shared", replicas=1, settings=settings)])
        Api(manager).patch_status(DatastoreResource, "shared", {"founded": True})
        for host in stand_ins.HOSTS:
            client.apply(manager, [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": host}}])
            status = {"capacity": {"cpu": "256"}, "conditions": [{"type": "Ready", "status": "True"}]}
            Api(manager).patch_status(Node, host, status)
        return manager

    def _etcd(self, name: str, port: int, *, tls: bool = False) -> None:
        scheme = "https" if tls else "http"
        url, peer = f"{scheme}://{ADDRESS}:{port}", f"http://{ADDRESS}:{port + 1000}"
        files = {"trusted-ca-file": "ca.crt", "cert-file": "tls.crt", "key-file": "tls.key"} if tls else {}
        self._start(
            str(self._bundle.path("bin/etcd")),
            *(f"--data-dir={self._folder}/{name}", "--unsafe-no-fsync", "--log-level=error"),
            *(f"--listen-client-urls={url}", f"--advertise-client-urls={url}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
            f"--initial-cluster=default={peer}",
            *(f"--{flag}={self._folder}/{file}" for flag, file in files.items()),
            *(["--client-cert-auth"] if tls else []),
        )

    def _controller(self) -> subprocess.Popen[bytes]:
        server = {"KUBERNETES_SERVICE_HOST": ADDRESS, "KUBERNETES_SERVICE_PORT": str(_PORT)}
        words = [str(self._folder / "settings.json"), str(self._folder), str(self._bundle.path("bin/etcdctl"))]
        return self._start(sys.executable, "-m", "tests.bench.lone_controller", *words, **server)

    def _start(self, *argv: str, **env: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{Path(argv[0]).name}.log").open("ab") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, **env})
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        self._running.append(process)
        return process

    @contextmanager
    def _measured(self, count: int, what: str, controller: subprocess.Popen[bytes]) -> Iterator[None]:
        Path(f"/proc/{controller.pid}/clear_refs").write_text("5")  # begins a new peak
        before, started = self._taken(controller.pid), time.monotonic()
        yield
        now, seconds = self._taken(controller.pid), time.monotonic() - started
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{controller.pid}/status").read_text())
        cpu, children = now.cpu_s - before.cpu_s, now.children_s - before.children_s
        asked = [(getattr(now, of) - getattr(before, of)) / count for of in ("manager", "writes", "inside")]
        _say(
            f"{count:8}  {what:<8}{seconds:8.0f}{cpu:8.1f}{children:9.1f}{cpu * 1000 / count:9.0f}"
            f"{int(peak) / 1024:7.0f}{asked[0]:9.1f}{asked[1]:8.1f}{asked[2]:8.1f}"
        )

    def _taken(self, pid: int) -> Taken:
        authorized = {"Authorization": f"Bearer {_TOKEN}"}
        context = ssl.create_default_context(cadata=self._authority.cert_pem)
        answer = httpx2.get(f"{_SERVER}/metrics", headers=authorized, verify=context, timeout=60, trust_env=False)
        return Taken.until_now(pid, answer.raise_for_status().text, self._tenants.asked)

    def _ready(self) -> int:
        found = [one.to_dict().get("status") or {} for one in self._manager.list(ClusterResource)]
        return sum(status.get("phase") == "Ready" for status in found)

    def _until(self, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _TIMEOUT_S
        while not check():
            ended = [str(one.args) for one in self._running if one.poll() is not None]
            ended = [str(one.args) for one in self._running if one.poll() is not None]
            if os.environ.get("DBG") and hasattr(self, "_manager"):
                found = [one.to_dict().get("status") or {} for one in self._manager.list(ClusterResource)]
                _say(
                    str(
                        [
                            [
                                (c["reason"], c["message"][:200])
                                for c in f.get("conditions", ())
                                if c["status"] != "True"
                            ]
                            for f in found
                        ][:3]
                    )
                    + str(len(found))
                )
                time.sleep(3)
            if ended or time.monotonic() > deadline:
                for log in sorted(self._folder.glob("*.log")):
                    _say(f"{log.name}: {log.read_text()[-4000:]}")
                raise RuntimeError(f"ended: {ended}" if ended else "it takes too long")
            time.sleep(1)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    one_size(int(sys.argv[1]))
