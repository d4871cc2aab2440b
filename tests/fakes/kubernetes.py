"""An API server that is a dictionary, and a line of life: whoever asks it may be killed after any call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lightkube import ApiError, codecs
from lightkube.models.meta_v1 import Status

Key = tuple[str, str, str]  # kind, namespace, name
Document = dict[str, Any]


class Killed(BaseException):
    """The process is gone. Nothing catches it, as nothing catches SIGKILL."""


@dataclass
class Life:
    """Calls that one process has made; it ends right after the one numbered `ends`, whose effect stays."""

    ends: int | None = None
    calls: list[str] = field(default_factory=list)

    def call(self, what: str, effect: Callable[[], Any]) -> Any:
        """Have a call take effect; raises Killed instead of returning when it is the last."""
        self.calls.append(what)
        try:
            return effect()
        finally:
            if len(self.calls) == self.ends:
                raise Killed


class FakeApi:
    """The objects of one API server; `client` gives a process its own way to them.

    `wrote` is called with each object that was written, and may change it: the server's own part, such as addresses.
    """

    def __init__(self, wrote: Callable[[Document], None] = lambda _: None) -> None:
        self.held: dict[Key, Document] = {}
        self._wrote = wrote

    def client(self, life: Life, name: str = "") -> FakeClient:
        """What lightkube's Client would be; `name` tells several servers apart in what `life` notes."""
        return FakeClient(self, life, name)

    def put(self, document: Mapping[str, Any]) -> Document:
        """Write an object as it is."""
        made = copy.deepcopy(dict(document))
        key = (made["kind"], made["metadata"].get("namespace", ""), made["metadata"]["name"])
        before = self.held.get(key, {})
        meta = {"uid": "/".join(key), "creationTimestamp": "2026-05-04T03:02:01Z", "generation": 1}
        made["metadata"] = {**meta, **before.get("metadata", {}), **made["metadata"], "resourceVersion": "1"}
        if "status" in before:
            made.setdefault("status", before["status"])
        self.held[key] = made
        self._wrote(made)
        return made

    def of(self, kind: str, namespace: str | None = None) -> list[Document]:
        """The objects of a kind."""
        return [one for (of, where, _), one in list(self.held.items()) if of == kind and namespace in (None, where)]

    def get(self, kind: str, namespace: str, name: str) -> Document:
        """One object; raises ApiError (404) when it is not there."""
        if (found := self.held.get((kind, namespace, name))) is None:
            raise ApiError(status=Status(code=404, message=f"{kind} {name} not found", reason="NotFound"))
        return found

    def remove(self, kind: str, namespace: str, name: str) -> None:
        """Take one object away; a namespace goes with all that is in it, but for pods, which others must end."""
        self.get(kind, namespace, name)
        if kind == "Namespace":
            for key in [key for key in self.held if key[1] == name and key[0] != "Pod"]:
                del self.held[key]
        if kind == "Namespace" and self.of("Pod", name):
            self.held[kind, namespace, name]["metadata"]["deletionTimestamp"] = "2026-05-04T03:02:01Z"
            return
        del self.held[kind, namespace, name]
        for leaving in self.of("Namespace"):
            if leaving["metadata"].get("deletionTimestamp") and not self.of("Pod", leaving["metadata"]["name"]):
                del self.held["Namespace", "", leaving["metadata"]["name"]]


class FakeClient:
    """What the controller uses of lightkube's Client, for a process with one life."""

    def __init__(self, api: FakeApi, life: Life, name: str) -> None:
        self._api = api
        self._life = life
        self._name = name

    def list(
        self, kind: type[Any], *, namespace: str | None = None, labels: Mapping[str, str] | None = None, **_: Any
    ) -> Iterator[Any]:
        def found() -> list[Document]:
            objects = self._api.of(kind.__name__, None if namespace == "*" else namespace)
            return [one for one in objects if (labels or {}).items() <= (one["metadata"].get("labels") or {}).items()]

        return iter([codecs.from_dict(one) for one in self._call(f"list {kind.__name__}", found)])

    def get(self, kind: type[Any], name: str, *, namespace: str | None = None) -> Any:
        found = self._call(f"get {kind.__name__} {name}", lambda: self._api.get(kind.__name__, namespace or "", name))
        return codecs.from_dict(found)

    def create(self, made: Any, *_: Any, **__: Any) -> Any:
        document = made.to_dict()
        key = (document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"])
        if key in self._api.held:
            raise ApiError(status=Status(code=409, message="it is there", reason="AlreadyExists"))
        return self._call(f"create {key[0]} {key[2]}", lambda: self._api.put(document))

    def apply(self, made: Any, **_: Any) -> Any:
        document = made.to_dict()
        what = f"apply {document['kind']} {document['metadata']['name']}"
        return self._call(what, lambda: self._api.put(document))

    def replace(self, made: Any, **_: Any) -> Any:
        document = made.to_dict()
        return self._call(f"replace {document['kind']} {document['metadata']['name']}", lambda: self._api.put(document))

    def patch(self, kind: type[Any], name: str, changed: Document, *, namespace: str | None = None, **_: Any) -> Any:
        whole = kind.__name__.removesuffix("Status")

        def effect() -> Document:
            found = self._api.get(whole, namespace or "", name)
            return self._api.put(merged(found, changed))

        return self._call(f"patch {kind.__name__} {name}", effect)

    def delete(self, kind: type[Any], name: str, *, namespace: str | None = None, **_: Any) -> None:
        what = f"delete {kind.__name__} {name}"
        self._call(what, lambda: self._api.remove(kind.__name__, namespace or "", name))

    def _call(self, what: str, effect: Callable[[], Any]) -> Any:
        return self._life.call(f"{self._name} {what}".strip(), effect)


def merged(found: Any, changed: Any) -> Any:
    """A JSON merge patch: https://www.rfc-editor.org/rfc/rfc7396."""
    if not (isinstance(found, dict) and isinstance(changed, dict)):
        return copy.deepcopy(changed)
    both = {**found, **{key: merged(found.get(key, {}), value) for key, value in changed.items() if value is not None}}
    return {key: value for key, value in both.items() if not (key in changed and changed[key] is None)}


def node_info(version: str) -> Document:
    """What a kubelet of a Kubernetes version says of its machine, as far as anybody asks."""
    names = ("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "machineID")
    told = dict.fromkeys((*names, "operatingSystem", "osImage", "systemUUID"), "")
    return {**told, "kubeletVersion": f"v{version}"}
