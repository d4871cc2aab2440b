"""Adding a context to the user's kubeconfig: theirs stays as it is."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from installer.cli.kubeconfig_merge import default_path, merge
from installer.core.errors import InstallerError, LockError
from installer.core.secret import Secret
from installer.kubernetes.kubeconfig import embedded
from installer.kubernetes.pki import Credential

THEIRS = """# my clusters
apiVersion: v1
kind: Config
clusters:
- name: work        # do not touch
  cluster: {server: https://work.example.org:6443, certificate-authority-data: d29yaw==}
users:
- name: me
  user:
    token: abc
contexts:
- name: work
  context: {cluster: work, user: me}
current-context: work
"""


def config(ca: str = "ca", server: str = "https://192.0.2.1:30001", cert: str = "cert") -> str:
    """A kubeconfig as the manager hands it out."""
    credential = Credential(cert, Secret("key"))
    return embedded(server=server, ca_pem=ca, credential=credential, context="team-a", user="admin").reveal()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".kube" / "config"


def test_a_file_that_does_not_exist_is_made_for_its_owner_only(path: Path) -> None:
    """It holds a key; the new context is the current one, as there is no other."""
    merge(config(), name="harbor-team-a", path=path)
    data = yaml.safe_load(path.read_text())
    assert data["current-context"] == "harbor-team-a"
    assert data["contexts"] == [
        {"name": "harbor-team-a", "context": {"cluster": "harbor-team-a", "user": "harbor-team-a"}}
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["config"]


def test_what_the_user_wrote_stays_as_written(path: Path) -> None:
    """Comments, order, current context and mode."""
    path.parent.mkdir()
    path.write_text(THEIRS)
    path.chmod(0o640)
    merge(config(), name="harbor-team-a", path=path)
    text = path.read_text()
    for line in THEIRS.splitlines():
        assert line in text
    data = yaml.safe_load(text)
    assert data["current-context"] == "work"
    assert [entry["name"] for entry in data["clusters"]] == ["work", "harbor-team-a"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_merging_the_same_cluster_again_refreshes_it(path: Path) -> None:
    """A new certificate and another address take the place of the old ones."""
    merge(config(), name="harbor-team-a", path=path)
    merge(config(server="https://192.0.2.2:30001", cert="newer"), name="harbor-team-a", path=path)
    data = yaml.safe_load(path.read_text())
    assert [entry["cluster"]["server"] for entry in data["clusters"]] == ["https://192.0.2.2:30001"]
    assert len(data["users"]) == len(data["contexts"]) == 1


@pytest.mark.parametrize("taken", ["work", "me"])
def test_a_name_that_is_something_else_is_refused_and_nothing_changes(path: Path, taken: str) -> None:
    """Be it a context, a cluster or a user; another name is the way out."""
    path.parent.mkdir()
    path.write_text(THEIRS)
    with pytest.raises(InstallerError, match="is something else") as caught:
        merge(config(), name=taken, path=path)
    assert "--name" in caught.value.hint
    assert path.read_text() == THEIRS
    assert [file.name for file in path.parent.iterdir()] == ["config"]


def test_another_cluster_of_the_same_name_is_refused(path: Path) -> None:
    """Its authority tells them apart."""
    merge(config(ca="one"), name="team-a", path=path)
    with pytest.raises(InstallerError, match="is something else"):
        merge(config(ca="two"), name="team-a", path=path)


@pytest.mark.parametrize("text", ["a: [", "- a\n", "kind: Secret\n", "text"])
def test_what_is_no_kubeconfig_is_left_alone(path: Path, text: str) -> None:
    """The user may have named the wrong file."""
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InstallerError):
        merge(config(), name="team-a", path=path)
    assert path.read_text() == text


@pytest.mark.parametrize("text", ["", "apiVersion: v1\nkind: Config\nclusters:\nusers: []\ncontexts: null\n"])
def test_empty_files_and_lists_are_filled(path: Path, text: str) -> None:
    """kubectl leaves such files behind."""
    path.parent.mkdir()
    path.write_text(text)
    merge(config(), name="team-a", path=path)
    assert yaml.safe_load(path.read_text())["contexts"][0]["name"] == "team-a"


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    """People keep the file elsewhere."""
    real = tmp_path / "dotfiles-config"
    real.write_text(THEIRS)
    path.parent.mkdir()
    path.symlink_to(real)
    merge(config(), name="team-a", path=path)
    assert path.is_symlink()
    assert "team-a" in real.read_text()


def test_two_writers_do_not_meet(path: Path) -> None:
    """kubectl's lock file is respected, and told."""
    path.parent.mkdir()
    (path.parent / "config.lock").touch()
    with pytest.raises(LockError, match="is being written by somebody else"):
        merge(config(), name="team-a", path=path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("value", "expected"), [("", "~/.kube/config"), ("/a/b", "/a/b"), (":/a/b:/c", "/a/b"), ("/c:/a", "/c")]
)
def test_the_file_is_the_one_that_kubectl_writes(monkeypatch: pytest.MonkeyPatch, value: str, expected: str) -> None:
    """The first of KUBECONFIG, or the default."""
    monkeypatch.setenv("KUBECONFIG", value)
    assert default_path() == Path(expected).expanduser()
