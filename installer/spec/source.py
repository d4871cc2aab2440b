"""YAML files as plain data that knows, for every path in it, the line it came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Loc = tuple[str | int, ...]  # a path inside a document, such as ("spec", "regions", 0, "name")

MAX_NODES = 500_000  # aliases can make a small file expand without end
_MAX_DEPTH = 50


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong, where it stands, and never the value that stands there: it may be a secret."""

    file: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {path}{self.message}"


@dataclass(frozen=True)
class Document:
    """One YAML document."""

    file: str
    data: Any
    lines: Mapping[Loc, int]
    elsewhere: Mapping[Loc, tuple[str, int]] = field(default_factory=dict)  # what another file or a program gave

    def line(self, loc: Loc) -> int:
        """The line of `loc`, or of the nearest thing around it that is written in the file."""
        while loc not in self.lines:
            loc = loc[:-1]
        return self.lines[loc]

    def fault(self, loc: Loc, message: str) -> Fault:
        """A fault at `loc`."""
        file, line = self._place(loc)
        return Fault(file, line, path_text(loc), message)

    def _place(self, loc: Loc) -> tuple[str, int]:
        for length in range(len(loc), 0, -1):
            if loc[:length] in self.elsewhere:
                return self.elsewhere[loc[:length]]
        return self.file, self.line(loc)


def path_text(loc: Loc) -> str:
    """`spec.regions[0].name` for ("spec", "regions", 0, "name")."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def read(file: Path) -> tuple[tuple[Document, ...], tuple[Fault, ...]]:
    """All documents of a file and what is wrong with its YAML; empty documents are passed over."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as exc:
        return (), (Fault(str(file), 1, "", f"cannot be read: {exc.strerror}"),)
    except UnicodeDecodeError:
        return (), (Fault(str(file), 1, "", "is not UTF-8 text"),)
    return parse(text, str(file))


def parse(text: str, file: str) -> tuple[tuple[Document, ...], tuple[Fault, ...]]:
    """Like `read`, for text that is at hand; `file` is its name in faults."""
    documents: list[Document] = []
    faults: list[Fault] = []
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                continue
            builder = _Builder(file)
            data = builder.build(node, ())
            faults += builder.faults
            if data is not None:
                documents.append(Document(file, data, builder.lines))
    except yaml.MarkedYAMLError as exc:
        faults.append(_syntax_fault(exc, text, file))
    except yaml.YAMLError as exc:  # a control character: libyaml tells no line
        faults.append(Fault(file, 1, "", f"not YAML: {str(exc).splitlines()[0]}"))
    finally:
        loader.dispose()
    return tuple(documents), tuple(faults)


def _syntax_fault(exc: yaml.MarkedYAMLError, text: str, file: str) -> Fault:
    mark = exc.problem_mark or exc.context_mark
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return Fault(file, line, "", "a tab indents this line; YAML allows only spaces")
    return Fault(file, line, "", f"not YAML: {exc.problem or exc.context}")


class _Loader(yaml.CBaseLoader):
    """libyaml's parser (thirty times as fast as one in Python) with the scalars of YAML 1.2: `on` and `no` are text."""


_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
_TAG = "tag:yaml.org,2002:"
for _name, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), None)


@dataclass
class _Builder:
    """Turns one document's nodes into plain data, noting lines and faults on the way."""

    file: str
    lines: dict[Loc, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def build(self, node: yaml.Node, loc: Loc, line: int | None = None) -> Any:
        self.lines[loc] = line or node.start_mark.line + 1
        if len(self.lines) > MAX_NODES or len(loc) > _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="too large or too deep", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*loc, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - libyaml has no fourth kind of node
        return self._scalar(node, loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(line, loc, "a key must be plain text")
                continue
            key = key_node.value
            if key in data:
                self._fault(line, (*loc, key), f"written twice, first on line {self.lines[*loc, key]}")
                continue
            data[key] = self.build(value_node, (*loc, key), line)
        return data

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        kind = node.tag.removeprefix(_TAG)
        try:
            return _CONSTRUCT[kind](node.value)
        except KeyError:
            self._fault(node.start_mark.line + 1, loc, f"YAML tag {node.tag} is not allowed")
        except ValueError:
            self._fault(node.start_mark.line + 1, loc, f"is not of the YAML type {kind}")
        return None

    def _fault(self, line: int, loc: Loc, message: str) -> None:
        self.faults.append(Fault(self.file, line, path_text(loc), message))


def _float(text: str) -> float:
    return float(text.replace(".inf", "inf").replace(".nan", "nan").lower())


_CONSTRUCT: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, 0) if text.startswith(("0o", "0x")) else int(text),
    "float": _float,
}
