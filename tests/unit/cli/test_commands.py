"""Commands on workflows that do nothing: what is asked, shown, written, and how the command ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.core.errors import ExitCode, HostError, KubernetesError
from installer.core.secret import Secret
from installer.engine import saved
from installer.engine.failures import InterruptedRunError
from installer.engine.plan import Action, Change, Plan, PlannedPhase, PlannedStep, StepId
from installer.engine.runner import RunResult
from installer.hostops.preflight import Finding, Report, Result, Severity
from installer.kubernetes.kubeconfig import embedded
from installer.kubernetes.pki import Credential
from installer.spec.cluster import Cluster
from installer.spec.starter import starter
from installer.workflows.cluster_info import ClusterInfo, Condition
from installer.workflows.hosts import HostInfo
from installer.workflows.status import PlatformStatus
from tests.conftest import Golden
from tests.unit.cli.conftest import FakeSessions, Moorage

EMPTY = Plan(name="up", title="Up", phases=())


def planned(target: str, *changes: Change) -> PlannedStep:
    """A step of the only phase."""
    return PlannedStep(id=StepId("hosts", target, "install-host"), title="Configure host", changes=changes)


PLAN = Plan(
    name="up",
    title="Bring the platform to what its specification says",
    phases=(
        PlannedPhase(
            name="hosts",
            title="Configure hosts",
            strategy="batches of 10%",
            steps=(
                planned(
                    "manager-1",
                    Change("manager-1", Action.CREATE, "write /etc/moorage/node.yaml", ("mode 0600",)),
                    Change("manager-1", Action.UPDATE, "restart kubelet", ("kubelet.yaml changed",)),
                ),
                planned("worker-1", Change("network home", Action.REPLACE, "another range")),
                planned(
                    "worker-2", Change("worker-2", Action.DELETE, "remove it"), Change("x", Action.RUN, "run ntp.sh")
                ),
            ),
        ),
    ),
)
DONE = RunResult(changed=True, seconds=72.4)
TEAM_A = ClusterInfo(
    name="team-a",
    version="1.36.3",
    runs="1.36.3",
    phase="Ready",
    control_plane_ready=2,
    control_plane_wanted=2,
    nodes_ready=1,
    nodes_wanted=2,
    endpoint="https://192.0.2.1:30001",
    created="2026-11-23T12:00:00Z",
    conditions=(
        Condition("ControlPlaneReady", "True", "Ready", ""),
        Condition("Ready", "False", "NodesNotReady", "1 of 2 nodes is ready"),
    ),
)
HOSTS = (
    HostInfo(name="manager-1", role="manager", region="home", zone="a", address="198.18.0.2", os="Debian 13",
             arch="amd64", release="0123456789ab", problem=""),
    HostInfo(name="worker-1", role="worker", region="home", zone="b", address="198.18.0.3", os="",
             arch="amd64", release="", problem="connection refused"),
)  # fmt: skip


class Workflow:
    """Stands for a workflow's function: gives what it is told to, keeps what it was called with."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, session: object, *arguments: Any, **options: Any) -> Any:
        self.calls.append((*arguments, options) if options else arguments)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


Stub = Callable[..., Workflow]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, sessions: FakeSessions) -> Stub:
    """Puts a Workflow in the place of `module.function` of installer.workflows."""

    def put(name: str, answer: Any) -> Workflow:
        workflow = Workflow(answer)
        monkeypatch.setattr(f"installer.workflows.{name}", workflow)
        return workflow

    return put


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes stdin a terminal at which the given line is typed."""

    def typing(line: str) -> None:
        class Keyboard:
            def isatty(self) -> bool:
                return True

            def readline(self) -> str:
                return f"{line}\n"

        monkeypatch.setattr("sys.stdin", Keyboard())
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    return typing


# --- init, version ---


@pytest.mark.parametrize("provider", ["local", "onprem"])
def test_init_writes_the_starter(moorage: Moorage, provider: str) -> None:
    """Where -f says, platform.yaml otherwise."""
    assert moorage("init", provider, "-f", "mine.yaml").code == 0
    assert Path("mine.yaml").read_text() == starter(provider)
    assert "moorage preview" in moorage("init", provider).out
    assert Path("platform.yaml").exists()


def test_init_writes_over_nothing(moorage: Moorage) -> None:
    """What exists is somebody's work."""
    Path("platform.yaml").write_text("mine")
    result = moorage("init")
    assert (result.code, Path("platform.yaml").read_text()) == (ExitCode.FAILED, "mine")
    assert "exists already" in result.err


def test_init_names_the_providers_there_are(moorage: Moorage) -> None:
    """And the one that was meant."""
    result = moorage("init", "onprm")
    assert result.code == ExitCode.SPEC
    assert "did you mean onprem?" in result.err
    assert not Path("platform.yaml").exists()


def test_init_schema_is_json(moorage: Moorage) -> None:
    """On stdout, to be redirected; nothing is written."""
    assert json.loads(moorage("init", "--schema").out)["title"] == "Moorage specification"
    assert not list(Path().iterdir())


def test_version_is_one_line(moorage: Moorage) -> None:
    """Or JSON."""
    assert moorage("version").out.startswith("moorage ")
    assert set(json.loads(moorage("version", "-o", "json").out)) == {"version"}


# --- errors ---


def test_a_wrong_specification_ends_with_its_own_code(moorage: Moorage, sessions: FakeSessions) -> None:
    """Every fault on stderr, nothing on stdout, no session opened."""
    Path("platform.yaml").write_text("kind: Platform\nspec: {release: 2026.11}\n")
    result = moorage("preview")
    assert (result.code, result.out, sessions.opened) == (ExitCode.SPEC, "", [])
    assert "platform.yaml:2: spec.release: must be text; put it in quotes" in result.err


def test_errors_are_json_for_programs(moorage: Moorage, stub: Stub) -> None:
    """One object on stderr, with all that is known."""
    stub("preview.preview", HostError("the disk is full", host="worker-1", command="tee", status=1, hint="make room"))
    result = moorage("preview", "-o", "json")
    error = json.loads(result.err)
    assert result.code == error["exitCode"] == ExitCode.HOST
    assert (error["event"], error["host"], error["hint"]) == ("error", "worker-1", "make room")


@pytest.mark.parametrize(
    ("error", "code"), [(InterruptedRunError(), 130), (KubernetesError("no"), 16), (KeyboardInterrupt(), 130)]
)
def test_the_exit_code_tells_the_cause(
    moorage: Moorage, stub: Stub, sessions: FakeSessions, error: BaseException, code: int
) -> None:
    """Whatever the workflow raises."""
    stub("up.up", error)
    assert moorage("up", "--yes").code == code


def test_a_bug_is_not_dressed_up(moorage: Moorage, stub: Stub) -> None:
    """Its traceback is what its finder needs."""
    stub("preview.preview", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        moorage("preview")


# --- preview ---


def test_preview_shows_the_plan(moorage: Moorage, stub: Stub, golden: Golden) -> None:
    """As a tree of changes with their sum."""
    stub("preview.preview", PLAN)
    golden("cli/preview.txt", moorage("preview").out)


def test_preview_shows_the_parts_of_changes_when_asked(moorage: Moorage, stub: Stub, golden: Golden) -> None:
    """With -v."""
    stub("preview.preview", PLAN)
    golden("cli/preview-verbose.txt", moorage("preview", "-v").out)


def test_preview_as_json_is_the_saved_plan(moorage: Moorage, stub: Stub) -> None:
    """The one form for programs."""
    stub("preview.preview", PLAN)
    result = moorage("preview", "-o", "json", "--save", "plan.json")
    assert json.loads(result.out) == json.loads(Path("plan.json").read_text()) == PLAN.to_json()


@pytest.mark.parametrize(
    ("plan", "options", "code"),
    [(PLAN, [], 0), (PLAN, ["--detailed-exitcode"], 2), (EMPTY, ["--detailed-exitcode"], 0)],
)
def test_preview_tells_changes_by_its_exit_code_when_asked(
    moorage: Moorage, stub: Stub, plan: Plan, options: list[str], code: int
) -> None:
    """For pipelines."""
    stub("preview.preview", plan)
    assert moorage("preview", *options).code == code


def test_plan_show_shows_a_saved_plan(moorage: Moorage) -> None:
    """Without specification or state."""
    saved.save(PLAN, Path("plan.json"))
    assert "restart kubelet" in moorage("plan", "show", "plan.json").out


# --- up, destroy ---


def test_up_with_yes_does_it(moorage: Moorage, stub: Stub) -> None:
    """Without a plan of its own: the workflow decides by facts."""
    workflow = stub("up.up", DONE)
    result = moorage("up", "--yes")
    assert (result.code, result.out) == (0, "Done in 1m12s.\n")
    assert workflow.calls == [(None, {"command": "moorage up"})]


def test_up_shows_the_plan_asks_and_then_does_just_that(
    moorage: Moorage, stub: Stub, terminal: Callable[[str], None]
) -> None:
    """What was shown is what is done."""
    stub("preview.preview", PLAN)
    workflow = stub("up.up", DONE)
    terminal("y")
    result = moorage("up")
    assert result.code == 0
    assert "restart kubelet" in result.err
    assert "Do this? [y/N]" in result.err
    assert workflow.calls == [(PLAN, {"command": "moorage up"})]


@pytest.mark.parametrize("answer", ["", "n", "no", "maybe", "yessir"])
def test_anything_but_yes_is_no(moorage: Moorage, stub: Stub, terminal: Callable[[str], None], answer: str) -> None:
    """And nothing is changed."""
    stub("preview.preview", PLAN)
    workflow = stub("up.up", DONE)
    terminal(answer)
    result = moorage("up")
    assert result.code == ExitCode.FAILED
    assert "nothing was changed" in result.err
    assert workflow.calls == []


def test_up_in_a_pipe_refuses_without_yes(moorage: Moorage, stub: Stub) -> None:
    """After showing what it would do."""
    stub("preview.preview", PLAN)
    workflow = stub("up.up", DONE)
    result = moorage("up")
    assert result.code == ExitCode.FAILED
    assert "--yes" in result.err
    assert workflow.calls == []


def test_up_with_nothing_to_do_asks_nobody(moorage: Moorage, stub: Stub) -> None:
    """There is nothing to agree to."""
    stub("preview.preview", EMPTY)
    stub("up.up", RunResult(changed=False, seconds=0.4))
    result = moorage("up")
    assert (result.code, result.out) == (0, "Nothing to do.\n")


def test_up_with_a_saved_plan_asks_nobody(moorage: Moorage, stub: Stub) -> None:
    """Whoever saved it has agreed to it."""
    saved.save(PLAN, Path("plan.json"))
    workflow = stub("up.up", DONE)
    assert moorage("up", "--plan", "plan.json").code == 0
    assert workflow.calls == [(PLAN, {"command": "moorage up"})]


def test_up_with_a_broken_plan_opens_no_session(moorage: Moorage, sessions: FakeSessions) -> None:
    """It is told first."""
    Path("plan.json").write_text("{}")
    assert moorage("up", "--plan", "plan.json").code == ExitCode.FAILED
    assert sessions.opened == []


def test_destroy_asks_with_the_plan_before_it(moorage: Moorage, stub: Stub, terminal: Callable[[str], None]) -> None:
    """It cannot be taken back."""
    stub("destroy.preview", PLAN)
    workflow = stub("destroy.destroy", DONE)
    terminal("yes")
    result = moorage("destroy")
    assert result.code == 0
    assert "cannot be taken back" in result.err
    assert len(workflow.calls) == 1


def test_destroy_in_a_pipe_refuses_without_yes(moorage: Moorage, stub: Stub) -> None:
    """Nobody can be asked there."""
    stub("destroy.preview", PLAN)
    workflow = stub("destroy.destroy", DONE)
    assert moorage("destroy").code == ExitCode.FAILED
    assert workflow.calls == []


# --- options ---


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ([], "file://{here}/.moorage"),
        (["--state", "elsewhere"], "file://{here}/elsewhere"),
        (["--state", "s3://bucket/prefix"], "s3://bucket/prefix"),
        (["-f", "platform.yaml"], "file://{here}/.moorage"),
        (["-f", "."], "file://{here}/.moorage"),
    ],
)
def test_the_state_is_beside_the_specification_or_where_one_says(
    moorage: Moorage, stub: Stub, sessions: FakeSessions, options: list[str], state: str
) -> None:
    """A directory or a Pulumi backend URL."""
    stub("preview.preview", EMPTY)
    assert moorage("preview", *options).code == 0
    assert sessions.opened[0]["state"] == state.format(here=Path.cwd())


def test_the_environment_may_name_the_state(
    moorage: Moorage, stub: Stub, sessions: FakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For pipelines."""
    stub("preview.preview", EMPTY)
    monkeypatch.setenv("MOORAGE_STATE", "s3://bucket")
    assert moorage("preview").code == 0
    assert sessions.opened[0]["state"] == "s3://bucket"


def test_a_session_knows_what_was_ignored_and_is_closed(moorage: Moorage, stub: Stub, sessions: FakeSessions) -> None:
    """--ignore may be given several times."""
    stub("up.up", DONE)
    moorage("up", "--yes", "--ignore", "swap", "--ignore", "mtu")
    assert sessions.opened[0]["ignore"] == frozenset({"swap", "mtu"})
    assert sessions.opened[0]["yes"] is True
    assert sessions.closed == 1


# --- status, preflight, hosts ---


def test_status_shows_hosts_clusters_and_problems(moorage: Moorage, stub: Stub, golden: Golden) -> None:
    """Problems last, where the eye is."""
    found = PlatformStatus(
        name="harbor", release="2026.11", hosts=HOSTS, api_servers={"https://a": "", "https://b": "no answer"},
        nodes_ready=("manager-1",), clusters=(TEAM_A,), problems=("host worker-1: connection refused",),
    )  # fmt: skip
    stub("status.status", found)
    golden("cli/status.txt", moorage("status").out)
    data = json.loads(moorage("status", "-o", "json").out)
    assert data["clusters"][0]["controlPlaneReady"] == 2
    assert data["problems"] == ["host worker-1: connection refused"]


def test_host_list_shows_hosts(moorage: Moorage, stub: Stub, golden: Golden) -> None:
    """Those that cannot be reached with the reason."""
    stub("hosts.list_", HOSTS)
    golden("cli/hosts.txt", moorage("host", "list").out)


REPORT = Report(
    (
        Result("clock", "clocks", Severity.ERROR, False, ()),
        Result(
            "swap", "system", Severity.WARNING, False, (Finding("worker-1", "swap is on", "no swap", "swapoff -a"),)
        ),
        Result("disk", "resources", Severity.ERROR, True, (Finding("worker-1", "2 GiB free", "10 GiB free"),)),
        Result("ports", "network", Severity.ERROR, False, (Finding("manager-1", "6443: nginx", "free", "stop nginx"),)),
    ),
    {("north", "south"): 12.46},
)


def test_preflight_shows_what_is_wrong_and_how_to_repair_it(moorage: Moorage, stub: Stub, golden: Golden) -> None:
    """And fails when an error is among it."""
    workflow = stub("preflight.preflight", REPORT)
    result = moorage("preflight", "--ignore", "disk")
    assert result.code == ExitCode.PREFLIGHT
    assert workflow.calls == [(frozenset({"disk"}),)]
    golden("cli/preflight.txt", result.out)


def test_preflight_with_warnings_only_passes(moorage: Moorage, stub: Stub) -> None:
    """They are told all the same."""
    stub("preflight.preflight", Report(REPORT.results[:3]))
    result = moorage("preflight")
    assert result.code == 0
    assert "warn  swap" in result.out


# --- clusters ---


def test_cluster_list_and_describe_show_how_far_they_are(moorage: Moorage, stub: Stub, golden: Golden) -> None:
    """With the conditions' reasons."""
    stub("clusters.list_", (TEAM_A,))
    stub("clusters.describe", TEAM_A)
    golden("cli/clusters.txt", moorage("cluster", "list").out + "\n" + moorage("cluster", "describe", "team-a").out)


def test_no_clusters_is_told_with_the_command_that_makes_one(moorage: Moorage, stub: Stub) -> None:
    """Not an empty table; but an empty list for programs."""
    stub("clusters.list_", ())
    assert "moorage cluster create" in moorage("cluster", "list").out
    assert json.loads(moorage("cluster", "list", "-o", "json").out) == []


def created(workflow: Workflow) -> Cluster:
    """The cluster that the workflow was asked for."""
    cluster = workflow.calls[0][0]
    assert isinstance(cluster, Cluster)
    return cluster


def test_cluster_create_takes_the_cluster_of_the_specification(moorage: Moorage, stub: Stub) -> None:
    """By its name."""
    workflow = stub("clusters.create", TEAM_A)
    assert moorage("cluster", "create", "team-a").code == 0
    assert created(workflow).spec.control_plane.replicas == 2


def test_cluster_create_makes_another_of_its_options(moorage: Moorage, stub: Stub) -> None:
    """In the newest version that the release offers, unless one is named."""
    workflow = stub("clusters.create", TEAM_A)
    assert moorage("cluster", "create", "team-b", "--nodes", "3", "--cpu", "0.5", "--no-wait").code == 0
    cluster = created(workflow)
    assert (cluster.name, cluster.spec.version, cluster.spec.pools[0].count) == ("team-b", "1.37.2", 3)
    assert workflow.calls[0][1] == {"wait": False}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["Team"], "metadata.name: must be lower-case"),
        (["manager"], "metadata.name: is reserved"),
        (["b", "--version", "1.35.0"], "spec.version: release 2026.11 does not offer"),
        (["b", "--memory", "much"], "spec.pools[0].memory: not a memory quantity"),
    ],
)
def test_cluster_create_checks_its_options_like_a_specification(
    moorage: Moorage, stub: Stub, arguments: list[str], fault: str
) -> None:
    """Before anything is opened."""
    workflow = stub("clusters.create", TEAM_A)
    result = moorage("cluster", "create", *arguments)
    assert (result.code, workflow.calls) == (ExitCode.SPEC, [])
    assert fault in result.err


KUBECONFIG = embedded(
    server="https://192.0.2.1:30001",
    ca_pem="ca",
    credential=Credential("c", Secret("k")),
    context="team-a",
    user="admin",
)


def test_cluster_kubeconfig_is_the_file_itself(moorage: Moorage, stub: Stub) -> None:
    """To be redirected, whatever the format."""
    stub("clusters.kubeconfig", KUBECONFIG)
    assert moorage("cluster", "kubeconfig", "team-a").out == KUBECONFIG.reveal()
    assert moorage("cluster", "kubeconfig", "team-a", "-o", "json").out == KUBECONFIG.reveal()


@pytest.mark.parametrize(("options", "name"), [([], "harbor-team-a"), (["--name", "mine"], "mine")])
def test_cluster_kubeconfig_is_merged_under_a_name_that_says_whose_it_is(
    moorage: Moorage, stub: Stub, monkeypatch: pytest.MonkeyPatch, options: list[str], name: str
) -> None:
    """Platform and cluster, unless told otherwise; the key is not shown."""
    stub("clusters.kubeconfig", KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", "config")
    result = moorage("cluster", "kubeconfig", "team-a", "--merge", *options)
    assert f"kubectl --context {name} get nodes" in result.out
    assert "client-key-data" not in result.out
    assert yaml.safe_load(Path("config").read_text())["contexts"][0]["name"] == name


def test_cluster_scale_waits_for_what_it_asked_for(moorage: Moorage, stub: Stub) -> None:
    """With --no-wait it shows how far it is."""
    scale = stub("clusters.scale", TEAM_A)
    waited = stub("clusters.await_ready", TEAM_A)
    stub("clusters.describe", TEAM_A)
    assert moorage("cluster", "scale", "team-a", "--nodes", "3").code == 0
    assert len(scale.calls) == len(waited.calls) == 1
    assert moorage("cluster", "scale", "team-a", "--replicas", "3", "--no-wait").code == 0
    assert (len(scale.calls), len(waited.calls)) == (2, 1)


@pytest.mark.parametrize("options", [[], ["--pool", "general"], ["--pool", "general", "--replicas", "2"]])
def test_cluster_scale_wants_a_number(moorage: Moorage, stub: Stub, options: list[str]) -> None:
    """And of what."""
    workflow = stub("clusters.scale", TEAM_A)
    assert moorage("cluster", "scale", "team-a", *options).code == ExitCode.USAGE
    assert workflow.calls == []


def test_cluster_delete_asks(moorage: Moorage, stub: Stub, terminal: Callable[[str], None]) -> None:
    """Whether there is such a cluster is told before."""
    stub("clusters.describe", TEAM_A)
    workflow = stub("clusters.delete", None)
    terminal("no")
    assert moorage("cluster", "delete", "team-a").code == ExitCode.FAILED
    assert workflow.calls == []
    assert moorage("cluster", "delete", "team-a", "--yes").code == 0
    stub("clusters.describe", KubernetesError("there is no cluster team-a"))
    assert moorage("cluster", "delete", "team-a", "--yes").code == ExitCode.KUBERNETES
    assert len(workflow.calls) == 1
