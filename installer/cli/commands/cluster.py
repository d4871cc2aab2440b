"""The commands for clusters: list, create, describe, scale, upgrade, move, kubeconfig, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from installer.cli.command import Common, command
from installer.cli.commands.platform import Ignore
from installer.core.errors import InstallerError

Name = Annotated[str, typer.Argument(help="The cluster's name.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is so.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for name, function in (
        ("list", list_),
        ("create", create),
        ("describe", describe),
        ("scale", scale),
        ("upgrade", upgrade),
        ("move", move),
        ("kubeconfig", kubeconfig),
        ("delete", delete),
    ):
        command(app, name)(function)


def list_(common: Common) -> None:
    """List the clusters."""
    from installer.cli import sessions, tables
    from installer.workflows import clusters as workflow

    with sessions.opened(common) as session:
        found = workflow.list_(session)
    common.out.result(tables.clusters(found), found)


def create(
    common: Common,
    name: Name,
    *,
    version: Annotated[str, typer.Option(help="Kubernetes version.", show_default="the newest of the release")] = "",
    replicas: Annotated[int, typer.Option(min=1, max=5, help="Replicas of the control plane.")] = 1,
    nodes: Annotated[int, typer.Option(min=0, help="Shared nodes.")] = 2,
    cpu: Annotated[str, typer.Option(help="CPU of each node.")] = "1",
    memory: Annotated[str, typer.Option(help="Memory of each node.")] = "2Gi",
    wait: Wait = True,
) -> None:
    """Create a cluster.

    It is the one of this name in the specification, or else one by these options.
    """
    from installer.cli import new_cluster, sessions, tables
    from installer.workflows import clusters as workflow

    wanted = new_cluster.wanted(common, name, version=version, replicas=replicas, nodes=nodes, cpu=cpu, memory=memory)
    with sessions.opened(common) as session:
        created = workflow.create(session, wanted, wait=wait)
    common.out.result(tables.clusters([created]), created)


def describe(common: Common, name: Name) -> None:
    """Show a cluster with its nodes, its conditions, and why something waits."""
    from installer.cli import sessions, tables
    from installer.workflows import clusters as workflow

    with sessions.opened(common) as session:
        found = workflow.describe(session, name)
    common.out.result(tables.cluster(found), found)


def scale(
    common: Common,
    name: Name,
    *,
    pool: Annotated[str, typer.Option(help="The pool to change.", show_default="the only one")] = "",
    nodes: Annotated[int | None, typer.Option(min=0, max=500, help="How many nodes the pool is to have.")] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, max=5, help="How many replicas the control plane is to have.")
    ] = None,
    wait: Wait = True,
) -> None:
    """Give a pool, or the control plane, another size.

    Nodes that go are drained first. A later `moorage up` brings a cluster of the specification back to what is written
    there: change it there, too.
    """
    from installer.cli import sessions, tables
    from installer.workflows import clusters as workflow

    if nodes is None and replicas is None:
        raise typer.BadParameter("nothing to change: give --nodes or --replicas")
    if pool and nodes is None:
        raise typer.BadParameter("--pool says whose nodes: give --nodes, too")
    with sessions.opened(common) as session:
        wanted = workflow.scale(session, name, pool=pool, nodes=nodes, replicas=replicas)
        found = workflow.await_ready(session, wanted) if wait else workflow.describe(session, name)
    common.out.result(tables.cluster(found), found)


def upgrade(
    common: Common,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="The clusters.")] = None,
    *,
    to: Annotated[str, typer.Option(metavar="VERSION", help="Kubernetes version.", show_default="the newest")] = "",
    everyone: Annotated[bool, typer.Option("--all", help="All clusters.")] = False,
    selector: Annotated[
        list[str] | None, typer.Option("-l", "--selector", metavar="KEY=VALUE", help="All clusters with this label.")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, help="How many clusters side by side.")] = 1,
    max_failures: Annotated[int, typer.Option(min=0, help="How many may fail before no more are begun.")] = 0,
    ignore: Ignore = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
) -> None:
    """Bring clusters to another version of Kubernetes, minor version by minor version.

    The control plane goes first, then node after node, each with its successor ready before it is drained. A cluster
    that fails stops the rest, unless --max-failures allows for it. Clusters of the specification get the version there,
    too.
    """
    from installer.cli import bring_up, loading, plan_text, sessions
    from installer.spec import specification
    from installer.workflows import cluster_upgrade as workflow

    if sum((bool(names), everyone, bool(selector))) != 1:
        raise typer.BadParameter("give names, or --all, or --selector")
    labels = dict(_pair(text) for text in selector or ())
    with sessions.opened(common, yes=yes, ignore=ignore) as session:
        version = to or session.bundle.info.kubernetes.all[-1]
        fleet = workflow.chosen(session, names=names or (), labels=labels, version=version)
        plan = workflow.preview(fleet, at_once=at_once)
        if not plan.empty and not yes:
            common.out.say(plan_text.whole(plan, detail=common.verbose > 0))
            bring_up.ask(common, "Do this?")
        spec = loading.load(common)
        for name in fleet.versions:
            if file := specification.write_version(spec, name, version):
                common.out.say(f"{file}: spec.version of cluster {name} is {version} now")
                spec = loading.load(common)
        result = workflow.upgrade(fleet, at_once=at_once, tolerates=max_failures)
    common.out.result(plan_text.done(result.changed, result.seconds), result)


def move(
    common: Common,
    name: Name,
    *,
    to_region: Annotated[str, typer.Option(metavar="REGION", help="Its new home.", show_default=False)],
    ignore: Ignore = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
) -> None:
    """Move a cluster's control plane and its data to another region.

    The data is copied while the cluster serves; then its API stands still for some seconds. Its nodes stay where they
    are. What was cut off goes on when it is repeated. A cluster of the specification gets the region there, too.
    """
    from installer.cli import bring_up, loading, plan_text, sessions
    from installer.spec import specification
    from installer.workflows import cluster_move as workflow

    with sessions.opened(common, yes=yes, ignore=ignore) as session:
        wanted = workflow.to(session, name, to_region)
        plan = workflow.preview(wanted)
        if not plan.empty and not yes:
            common.out.say(plan_text.whole(plan, detail=common.verbose > 0))
            bring_up.ask(common, "Do this?")
        if file := specification.write_home(loading.load(common), name, to_region):
            common.out.say(f"{file}: spec.controlPlane.region of cluster {name} is {to_region} now")
        result = workflow.run(wanted)
    common.out.result(plan_text.done(result.changed, result.seconds), result)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"--selector {text}: not KEY=VALUE")
    return key, value


def kubeconfig(
    common: Common,
    name: Name,
    *,
    merge: Annotated[bool, typer.Option("--merge", help="Add it to $KUBECONFIG or ~/.kube/config instead.")] = False,
    context: Annotated[
        str, typer.Option("--name", help="With --merge: the context's name.", show_default="PLATFORM-CLUSTER")
    ] = "",
) -> None:
    """Write the kubeconfig of a cluster's administrator to stdout.

    The name `manager` stands for the manager itself.
    """
    from installer.cli import sessions
    from installer.workflows import clusters as workflow

    with sessions.opened(common) as session:
        text = workflow.kubeconfig(session, name).reveal()
        platform = session.platform.name
    if not merge:
        common.out.raw(text)
        return
    # ruamel.yaml loads only where a user's file is to be kept as it is written.
    from installer.cli import kubeconfig_merge

    path, context = kubeconfig_merge.default_path(), context or f"{platform}-{name}"
    kubeconfig_merge.merge(text, name=context, path=path)
    common.out.result(
        f"context {context} is in {path}; try `kubectl --context {context} get nodes`",
        {"context": context, "file": str(path)},
    )


def delete(
    common: Common,
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")] = False,
    wait: Wait = True,
) -> None:
    """Delete a cluster with all that runs on it and all its data."""
    from installer.cli import sessions
    from installer.workflows import clusters as workflow

    with sessions.opened(common, yes=yes) as session:
        workflow.describe(session, name)  # a wrong name is told before anybody is asked
        if not yes and not common.out.confirmed(f"Delete cluster {name} with all its data?"):
            raise InstallerError("not confirmed: nothing was changed")
        workflow.delete(session, name, wait=wait)
    common.out.result(f"cluster {name} is deleted", {"name": name, "deleted": True})
