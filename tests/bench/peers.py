"""The same trivial steps by tools that others use, each as its users start it; only those that are installed.

They want other versions of paramiko than we do, so they have an environment of their own:
`python3 -m venv PEERS; PEERS/bin/pip install --group bench`, and `MOORAGE_PEERS=PEERS/bin` for the bench.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from installer.transport.target import Target

TIMEOUT_S = 900
_ENV = {
    "ANSIBLE_HOST_KEY_CHECKING": "False",
    "ANSIBLE_FORKS": "32",
    "ANSIBLE_PIPELINING": "True",
    "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
    "ANSIBLE_LOAD_CALLBACK_PLUGINS": "False",
}
_FABRIC = """import json, sys
from fabric import Config, Connection, ThreadingGroup
plan = json.load(open(sys.argv[1]))
config = Config(overrides={"load_ssh_configs": False})
group = ThreadingGroup.from_connections(
    Connection(h["address"], user=h["user"], port=h["port"], config=config, connect_kwargs={
        "key_filename": h["key"], "allow_agent": False, "look_for_keys": False}) for h in plan["hosts"])
for step in plan["steps"]:
    group.run(step, hide=True)
"""
_ASYNCSSH = """import asyncio, json, sys
import asyncssh
plan = json.load(open(sys.argv[1]))
async def one(h):
    async with asyncssh.connect(h["address"], h["port"], username=h["user"], client_keys=[h["key"]],
                                known_hosts=None, agent_path=None, config=[]) as connection:
        for step in plan["steps"]:
            await connection.run(step, check=True)
async def main():
    await asyncio.gather(*(one(h) for h in plan["hosts"]))
asyncio.run(main())
"""


def installed(targets: Sequence[Target], steps: Sequence[str], folder: Path) -> Mapping[str, Callable[[], None]]:
    """What runs `steps` on `targets` by each peer that is there; files that it needs are in `folder`."""
    where = os.environ.get("MOORAGE_PEERS", "")
    plan = folder / "plan.json"
    hosts = [_host(target, folder) for target in targets]
    plan.write_text(json.dumps({"hosts": hosts, "steps": list(steps)}))
    python = Path(where) / "python" if where else Path("python3")
    found: dict[str, Callable[[], None]] = {}
    for name, module, program in (("fabric", "fabric", _FABRIC), ("asyncssh", "asyncssh", _ASYNCSSH)):
        if _ends_well([str(python), "-c", f"import {module}"]):
            found[name] = _command([str(python), "-c", program, str(plan)], folder)
    if pyinfra := shutil.which("pyinfra", path=where or None):
        inventory, deploy = _pyinfra(hosts, steps, folder)
        found["pyinfra"] = _command([pyinfra, "-y", str(inventory), str(deploy)], folder)
    if ansible := shutil.which("ansible-playbook", path=where or None):
        inventory = folder / "inventory.json"
        inventory.write_text(json.dumps(_ansible_inventory(hosts)))
        for module in ("raw", "command"):
            playbook = folder / f"{module}.json"  # JSON is YAML
            tasks = [{f"ansible.builtin.{module}": step} for step in steps]
            playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
            found[f"ansible {module}"] = _command([ansible, "-i", str(inventory), str(playbook)], folder)
    return found


def _host(target: Target, folder: Path) -> dict[str, object]:
    assert target.key is not None
    key = folder / f"{target.name}.key"
    key.touch(mode=0o600)
    key.write_text(target.key.reveal())
    return {"name": target.name, "address": target.address, "port": target.port, "user": target.user, "key": str(key)}


def _ansible_inventory(hosts: Sequence[Mapping[str, object]]) -> dict[str, object]:
    def variables(host: Mapping[str, object]) -> dict[str, object]:
        return {
            "ansible_host": host["address"],
            "ansible_port": host["port"],
            "ansible_user": host["user"],
            "ansible_ssh_private_key_file": host["key"],
        }

    return {"all": {"hosts": {str(host["name"]): variables(host) for host in hosts}}}


def _pyinfra(hosts: Sequence[Mapping[str, object]], steps: Sequence[str], folder: Path) -> tuple[Path, Path]:
    def data(host: Mapping[str, object]) -> dict[str, object]:
        return {
            "ssh_hostname": host["address"],
            "ssh_port": host["port"],
            "ssh_user": host["user"],
            "ssh_key": host["key"],
            "ssh_strict_host_key_checking": "no",
            "ssh_known_hosts_file": str(folder / "pyinfra_known_hosts"),
        }

    inventory, deploy = folder / "inventory.py", folder / "deploy.py"
    inventory.write_text(f"hosts = {[(host['name'], data(host)) for host in hosts]!r}\n")
    calls = "".join(f"server.shell(name='step {number}', commands=[{step!r}])\n" for number, step in enumerate(steps))
    deploy.write_text(f"from pyinfra.operations import server\n{calls}")
    return inventory, deploy


def _command(argv: Sequence[str], folder: Path) -> Callable[[], None]:
    """Runs it with a home of its own, so that it leaves nothing in ours; raises with its output when it fails."""
    env = {**os.environ, **_ENV, "HOME": str(folder), "ANSIBLE_HOME": str(folder / "ansible")}

    def run() -> None:
        done = subprocess.run(
            argv, capture_output=True, text=True, env=env, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise RuntimeError(f"{argv[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")

    return run


def _ends_well(argv: Sequence[str]) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
