"""Loading: every fault at once by file, line and path, and no value shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.core.errors import ExitCode, SpecError
from installer.spec.source import parse
from installer.spec.specification import load, load_text, to_text
from installer.spec.starter import PROVIDERS, starter
from tests.conftest import Golden
from tests.unit.spec.conftest import FaultsOf, Write
from tests.unit.spec.documents import HEAD, cluster, onprem, platform

EXAMPLES = Path(__file__).parents[3] / "examples"

BAD = f"""{HEAD}kind: Platform
metadata: {{name: Harbor}}
spec:
  release: 2026.11
  regionz: 1
  regions:
    - name: home
      provider: {{kind: local}}
      hosts:
        - {{name: manager, role: manger, count: 3}}
        - {{name: worker, role: worker, count: many, zonez: [a, b], memory: 4gb}}
        - {{name: worker, role: worker, role: manager}}
    - name: hall
      provider: {{kind: onprem, ssh: {{password: hunter2}}}}
      hosts:
        - {{name: m, role: manager, address: 192.0.2.1, port: 99999}}
    - name: away
      provider: {{kind: lokal}}
      hosts: []
    - name: x
---
{HEAD}kind: Cluster
metadata: {{name: team-a, labels: {{"b d": x, ok: "b d"}}}}
spec:
  version: "1.36"
  controlPlane: {{replicas: 9}}
  pools:
    - {{name: general, kind: shard, count: 2, cpu: 0, memory: 2Gi}}
  network: {{pods: 10.1.2.3/8}}
---
kind: Clutter
---
- a list
---
apiVersion: moorage.dev/v2
kind: Cluster
metadata: {{}}
spec: 7
"""


def test_every_fault_of_every_document_is_told_at_once(write: Write, golden: Golden) -> None:
    """Schema, names and contradictions in one report."""
    path = write(BAD)
    with pytest.raises(SpecError) as caught:
        load(path)
    assert caught.value.exit_code is ExitCode.SPEC
    golden("spec/faults.txt", caught.value.explain().replace(str(path), "platform.yaml") + "\n")


@pytest.mark.parametrize("secret", ["hunter2", "manger", "lokal", "10.1.2.3", "4gb", "shard", "99999"])
def test_no_value_is_shown(faults_of: FaultsOf, secret: str) -> None:
    """It may be a secret in the wrong place."""
    assert secret in BAD
    assert not [fault for fault in faults_of(BAD) if secret in fault]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1: holds no document"),
        ("# only a comment\n", "1: holds no document"),
        ("---\n---\n", "1: holds no document"),
        ("just text\n", "1: must be a mapping of keys to values"),
        ("a:\n\t- b\n", "2: a tab indents this line; YAML allows only spaces"),
        ("a: [1, 2\nb: 3\n", "2: not YAML: did not find expected ',' or ']'"),
        ("a: b: c\n", "1: not YAML: mapping values are not allowed in this context"),
        ("kind: platform\n", "1: kind: must be Platform or Cluster; did you mean Platform?"),
        ("apiVersion: x\n", "1: kind: must be Platform or Cluster"),
        ("kind: {a: b}\n", "1: kind: must be Platform or Cluster"),
        ("kind: !!python/object:os.system x\n", "1: kind: YAML tag tag:yaml.org,2002:python/object:os.system is not"),
        ("a: \x07\n", "1: not YAML: "),
        ("a: *b\n", "1: not YAML: found undefined alias"),
        ("a: &a [*a]\n", "1: not YAML: "),
    ],
)
def test_what_is_no_specification_is_told_so(faults_of: FaultsOf, text: str, fault: str) -> None:
    """With the line where it goes wrong."""
    assert faults_of(text)[0].startswith(fault)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_applied_is_read_back_as_it_was(write: Write, provider: str, tmp_path: Path) -> None:
    """So that the next specification can be compared with it."""
    spec = load(write(starter(provider)))
    assert load_text(to_text(spec), directory=tmp_path) == spec


def test_a_second_platform_is_told_with_the_place_of_the_first(write: Write) -> None:
    """One specification is one platform."""
    path = write(platform() + "---\n" + platform(name="other"))
    with pytest.raises(SpecError, match=f"{path}:8: a second platform; the first is at {path}:1"):
        load(path)


def test_aliases_cannot_make_a_small_file_expand_without_end(faults_of: FaultsOf) -> None:
    """A billion laughs are refused before they are told."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert faults_of("\n".join(lines))[0].endswith("not YAML: too large or too deep")


def test_a_key_written_twice_is_told_with_both_lines(faults_of: FaultsOf) -> None:
    """YAML would take the last one in silence."""
    text = platform().replace("spec:\n", "metadata: {name: b}\nspec:\n")
    assert faults_of(text) == ["4: metadata: written twice, first on line 3"]


def test_yaml_is_version_1_2() -> None:
    """`on`, `no` and dates are text; only true and false are booleans."""
    documents, faults = parse("{on: no, b: true, d: 2026-11-01, o: 0o17, x: 0x1F, e: 1e3, n: ~, q: '1'}", "x")
    assert not faults
    assert documents[0].data == {
        "on": "no", "b": True, "d": "2026-11-01", "o": 15, "x": 31, "e": 1000.0, "n": None, "q": "1",
    }  # fmt: skip


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    """The first thing a newcomer meets."""
    with pytest.raises(SpecError, match="there is no specification at") as caught:
        load(tmp_path / "platform.yaml")
    assert "moorage init" in caught.value.hint


def test_what_is_not_text_is_told(tmp_path: Path) -> None:
    """A binary file is not read as one."""
    (tmp_path / "platform.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="is not UTF-8 text"):
        load(tmp_path / "platform.yaml")


def test_a_directory_is_all_its_yaml_files(tmp_path: Path) -> None:
    """Of that directory, not of those in it; faults name the file."""
    (tmp_path / "a.yaml").write_text(platform())
    (tmp_path / "b.yml").write_text(cluster() + cluster(name="team-b"))
    (tmp_path / "notes.txt").write_text("not: [yaml")
    (tmp_path / "steps.d").mkdir()
    (tmp_path / "steps.d" / "own.yaml").write_text("name: own\n")
    spec = load(tmp_path)
    assert spec.platform is not None
    assert (spec.platform.name, [c.name for c in spec.clusters]) == ("harbor", ["team-a", "team-b"])
    assert spec.directory == tmp_path
    (tmp_path / "b.yml").write_text(cluster(name="manager"))
    with pytest.raises(SpecError, match=r"b\.yml:4: metadata\.name: is reserved"):
        load(tmp_path)


def test_clusters_alone_are_a_specification(write: Write) -> None:
    """Of a platform that somebody else looks after."""
    assert load(write(cluster())).platform is None


def test_quantities_may_be_numbers(write: Write) -> None:
    """As everybody writes them."""
    spec = load(write(platform(hosts="{name: m, role: manager, cpu: 2, memory: 4294967296}")))
    assert spec.platform is not None
    hosts = spec.platform.spec.regions[0].hosts[0]
    assert (hosts.cpu, hosts.memory) == ("2", "4294967296")  # type: ignore[union-attr]


def test_unknown_keys_are_compared_with_those_of_the_same_kind(faults_of: FaultsOf) -> None:
    """An on-premises host knows `zone`, a local group `zones`."""
    assert faults_of(onprem("{name: m, role: manager, address: 192.0.2.1, zoness: [a]}"))[0].endswith(
        "did you mean zone?"
    )
    assert faults_of(platform(hosts="{name: m, role: manager, count: 1, zoness: [a]}"))[0].endswith("mean zones?")


@pytest.mark.parametrize(
    "directory", sorted(path.parent for path in EXAMPLES.glob("*/platform.yaml")), ids=lambda p: p.name
)
def test_every_example_loads(directory: Path) -> None:
    """Without a fault."""
    assert load(directory).platform is not None


@pytest.mark.parametrize(("text", "passes"), [("10Mbit", True), ("512kbit", True), ("1Gbit", True), ("0Mbit", False)])
def test_a_bandwidth_is_a_number_with_its_unit(faults_of: FaultsOf, text: str, passes: bool) -> None:
    """Of bits a second, as providers of links write it."""
    found = faults_of(onprem("{name: m, role: manager, address: 192.0.2.1}", ssh=f"{{bandwidth: {text}}}"))
    assert [line.split(": ", 1)[1] for line in found] == (
        [] if passes else ["spec.regions[0].provider.ssh.bandwidth: not a bandwidth (examples: 10Mbit, 512kbit)"]
    )


@pytest.mark.parametrize("text", ["10", "10MB", "10 Mbit", "-1Mbit", "1.5Mbit", "10Mbit/s"])
def test_what_is_no_bandwidth_is_refused(faults_of: FaultsOf, text: str) -> None:
    """Bytes for bits would be a factor of eight."""
    (found,) = faults_of(onprem("{name: m, role: manager, address: 192.0.2.1}", ssh=f'{{bandwidth: "{text}"}}'))
    assert "not a bandwidth" in found
