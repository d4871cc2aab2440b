"""The embedded engine on a fake provider: what each operation does, and in which order."""

from __future__ import annotations

import threading

import pytest
from pulumi import automation

from tests.stacks.harness import Trial

_TWO = """
first = Thing("first", colour="red")
second = Thing("second", uses=after(first))
pulumi.export("serial", second.serial)
"""


def test_a_preview_changes_nothing(trial: Trial) -> None:
    """It says what would be made, asks the provider for previews only, and leaves the state empty."""
    trial.program(_TWO)
    assert trial.preview() == {("create", "first"), ("create", "second")}
    assert trial.provider.names("create") == []
    assert trial.resources() == {}


def test_a_preview_passes_on_what_is_not_known_yet(trial: Trial) -> None:
    """An input that depends on a resource not yet made reaches the provider as the mark of an unknown."""
    trial.program(
        """
        first = Thing("first")
        first.serial.apply(lambda serial: pulumi.log.info(f"the serial is {serial}"))
        Thing("second", uses=after(first))
        """
    )
    trial.preview()
    assert not any("the serial is" in text for text in trial.said)
    trial.up()
    assert any("the serial is 1" in text for text in trial.said)


def test_up_makes_everything_in_order_and_gives_the_outputs(trial: Trial) -> None:
    """What another one needs is made first."""
    assert trial.program(_TWO).up() == {"serial": 2}
    assert trial.provider.names("create") == ["first", "second"]
    assert trial.resources()["second"]["dependencies"] == [trial.resources()["first"]["urn"]]


def test_a_second_up_does_nothing(trial: Trial) -> None:
    """The provider is only asked for differences; the state stays as it is."""
    trial.program(_TWO).up()
    before = trial.export()["resources"]
    trial.provider.calls.clear()
    trial.up()
    assert trial.changes == set()
    assert {method for method, _ in trial.provider.calls} == {"check", "diff"}
    assert trial.export()["resources"] == before


def test_a_changed_input_is_updated_in_place(trial: Trial) -> None:
    """The same resource, with the new input."""
    trial.program(_TWO).up()
    trial.program(_TWO.replace("red", "blue"))
    assert trial.preview() == {("update", "first")}
    assert trial.up() == {"serial": 2}
    assert trial.changes == {("update", "first")}
    assert trial.resources()["first"]["outputs"] == {"colour": "blue", "serial": 1}


def test_a_replaced_one_takes_its_dependents_with_it(trial: Trial) -> None:
    """Where the old one has to go first, those that use it go before it, and all of them come back."""
    trial.program(_TWO).up()
    trial.program(_TWO.replace('colour="red"', 'kind="other"'))
    trial.provider.calls.clear()
    previewed = trial.preview()
    assert trial.up() == {"serial": 4}
    order = [call for call in trial.provider.calls if call[0] in {"create", "delete"}]
    assert order == [("delete", "second"), ("delete", "first"), ("create", "first"), ("create", "second")]
    assert {("replace", "first"), ("replace", "second")} <= previewed
    assert trial.changes == previewed
    assert not {op for op, _ in previewed} & {"create", "delete", "update"}


def test_a_successor_comes_before_its_predecessor_goes(trial: Trial) -> None:
    """Where both can be, the old one is deleted last, after its user was moved over."""
    trial.program(_TWO).up()
    trial.program(_TWO.replace('colour="red"', 'shape="round"'))
    trial.provider.calls.clear()
    trial.up()
    order = [call for call in trial.provider.calls if call[0] in {"create", "update", "delete"}]
    assert order == [("create", "first"), ("update", "second"), ("delete", "first")]
    assert set(trial.provider.things) == {"first-round", "second-plain"}
    assert [r for r in trial.export()["resources"] if r.get("delete")] == []


def test_the_old_one_stays_when_its_successor_fails(trial: Trial) -> None:
    """A failed replacement loses nothing: taken back, the program finds what it had."""
    trial.program('Thing("first")').up()
    with pytest.raises(automation.CommandError, match="the stars are wrong"):
        trial.program('Thing("first", shape="round", fail="create")').up()
    trial.program('Thing("first")')
    assert trial.preview() == set()
    trial.up()
    assert trial.provider.names("delete") == []


def test_what_could_not_be_deleted_is_not_made_anew(trial: Trial) -> None:
    """Where the old one has to go first and does not, nothing takes its place, and the error says why."""
    trial.program('Thing("first", fail="delete")').up()
    with pytest.raises(automation.CommandError, match="the stars are wrong"):
        trial.program('Thing("first", kind="other", fail="delete")').up()
    assert trial.provider.names("create") == ["first"]
    assert trial.resources()["first"]["inputs"] == {"fail": "delete"}


def test_what_the_program_no_longer_has_is_deleted_users_first(trial: Trial) -> None:
    """Three in a chain go from the last to the first, then others may come."""
    chain = """
    a = Thing("a")
    b = Thing("b", uses=after(a))
    Thing("c", uses=after(b))
    """
    trial.program(chain).up()
    trial.program('Thing("d")')
    assert trial.preview() == {("delete", "a"), ("delete", "b"), ("delete", "c"), ("create", "d")}
    trial.up()
    assert trial.provider.names("delete") == ["c", "b", "a"]
    assert list(trial.resources()) == ["d"]


def test_destroy_leaves_nothing(trial: Trial) -> None:
    """Everything goes, users first; the stack itself can then be forgotten, lock and backups with it."""
    trial.program(_TWO).up()
    trial.destroy()
    assert trial.provider.names("delete") == ["second", "first"]
    assert trial.provider.things == {}
    assert trial.export()["resources"] == []
    stack = trial.stack()
    stack.workspace.remove_stack(stack.name)
    assert [path for path in (trial.backend / ".pulumi" / "stacks").rglob("*") if path.is_file()] == []


def test_one_that_cannot_be_deleted_keeps_all_that_it_needs(trial: Trial) -> None:
    """However far down: nothing is taken from under a resource that stays; the others go."""
    trial.program(
        """
        a = Thing("a")
        b = Thing("b", uses=after(a))
        Thing("c", uses=after(b), fail="delete")
        Thing("other")
        """
    ).up()
    with pytest.raises(automation.CommandError, match="delete c: c cannot be had"):
        trial.destroy()
    assert set(trial.resources()) == {"a", "b", "c"}
    assert trial.provider.names("delete").count("other") == 1


def test_a_refresh_forgets_what_is_gone_and_notes_what_differs(trial: Trial) -> None:
    """After it, `up` makes the missing one anew."""
    trial.program('Thing("stays", colour="red")\nThing("goes")').up()
    del trial.provider.things["goes-plain"]
    trial.provider.things["stays-plain"]["colour"] = "faded"
    trial.refresh()
    assert trial.resources()["stays"]["outputs"]["colour"] == "faded"
    assert set(trial.resources()) == {"stays"}
    trial.up()
    assert trial.changes == {("create", "goes")}


def test_dependents_of_a_failed_one_are_not_tried(trial: Trial) -> None:
    """However it depends; those that do not depend on it are made; the next `up` goes on from there."""
    program = """
    bad = Thing("bad", fail="create")
    user = Thing("user", uses=after(bad))
    Thing("user-of-user", opts=pulumi.ResourceOptions(depends_on=[user]))
    Thing("child", opts=pulumi.ResourceOptions(parent=bad))
    Thing("good")
    """
    with pytest.raises(automation.CommandError) as caught:
        trial.program(program).up()
    assert "create bad: bad cannot be had" in str(caught.value)
    assert "the stars are wrong" in str(caught.value)
    assert set(trial.provider.things) == {"good-plain"}
    trial.program(program.replace('fail="create"', "")).up()
    assert trial.changes == {("create", name) for name in ("bad", "user", "user-of-user", "child")}


def test_a_failed_update_keeps_the_state_as_it_was(trial: Trial) -> None:
    """And is announced as an update."""
    trial.program('Thing("first", colour="red")').up()
    with pytest.raises(automation.CommandError, match="update first: first cannot be had"):
        trial.program('Thing("first", colour="blue", fail="update")').up()
    assert trial.resources()["first"]["inputs"] == {"colour": "red"}
    assert trial.changes == {("update", "first")}


def test_a_failing_program_deletes_nothing(trial: Trial) -> None:
    """It did not come to say what it wants; the error has its last lines."""
    trial.program('Thing("first")\nThing("second")').up()
    with pytest.raises(automation.CommandError, match="ZeroDivisionError"):
        trial.program('Thing("first")\n1 / 0').up()
    assert trial.provider.names("delete") == []
    assert set(trial.resources()) == {"first", "second"}


def test_refused_inputs_are_told_one_by_one(trial: Trial) -> None:
    """In the provider's words, with the input's name."""
    with pytest.raises(automation.CommandError) as caught:
        trial.program('Thing("first", size=1, weight=2)').up()
    assert "size: there is no such input" in str(caught.value)
    assert "weight: there is no such input" in str(caught.value)


def test_two_resources_cannot_have_one_name(trial: Trial) -> None:
    """The second is refused."""
    with pytest.raises(automation.CommandError, match="two resources are called first"):
        trial.program('Thing("first")\nThing("first")').up()


def test_an_alias_is_the_same_resource(trial: Trial) -> None:
    """A renamed resource, and what is below a renamed component, is neither made nor deleted."""
    trial.program('g = Group("old")\nThing("first", opts=pulumi.ResourceOptions(parent=g))\nThing("lone")').up()
    trial.program(
        """
        g = Group("new", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")]))
        Thing("first", opts=pulumi.ResourceOptions(parent=g))
        Thing("alone", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="lone")]))
        """
    )
    assert trial.preview() == set()
    trial.up()
    assert trial.changes == set()
    assert set(trial.resources()) == {"new", "first", "alone"}
    assert len(trial.export()["resources"]) == 5
    assert trial.provider.made == 2


def test_what_moves_below_a_component_is_the_same_resource(trial: Trial) -> None:
    """An alias may name a parent of before, a type of before, or none."""
    trial.program('Thing("first")').up()
    trial.program(
        """
        g = Group("g")
        no_parent = pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)
        Thing("first", opts=pulumi.ResourceOptions(parent=g, aliases=[no_parent]))
        """
    ).up()
    assert trial.provider.made == 1
    assert trial.provider.names("delete") == []


def test_ignored_changes_do_not_count(trial: Trial) -> None:
    """The input keeps its old value, in the state and for the provider, while others change."""
    trial.program('Thing("first", colour="red", number=1)').up()
    ignoring = 'Thing("first", colour="blue", number={}, opts=pulumi.ResourceOptions(ignore_changes=["colour"]))'
    assert trial.program(ignoring.format(1)).preview() == set()
    trial.program(ignoring.format(2)).up()
    assert trial.resources()["first"]["outputs"] == {"colour": "red", "number": 2, "serial": 1}


def test_all_changes_may_be_ignored(trial: Trial) -> None:
    """`*` stands for every input."""
    trial.program('Thing("first", colour="red")').up()
    trial.program('Thing("first", colour="blue", flag=True, opts=pulumi.ResourceOptions(ignore_changes=["*"]))').up()
    assert trial.changes == set()


def test_depends_on_orders_without_a_value(trial: Trial) -> None:
    """Made after it, and deleted before it."""
    trial.program(
        """
        late = Thing("b-first")
        Thing("a-second", opts=pulumi.ResourceOptions(depends_on=[late]))
        """
    ).up()
    assert trial.provider.names("create") == ["b-first", "a-second"]
    trial.destroy()
    assert trial.provider.names("delete") == ["a-second", "b-first"]


@pytest.mark.parametrize("after", ["", 'Thing("first", kind="other", opts=pulumi.ResourceOptions(protect=True))'])
def test_a_protected_one_is_neither_deleted_nor_replaced(trial: Trial, after: str) -> None:
    """Until the protection is taken off."""
    trial.program('Thing("first", opts=pulumi.ResourceOptions(protect=True))').up()
    with pytest.raises(automation.CommandError, match="first is protected"):
        trial.program(after).up()
    with pytest.raises(automation.CommandError, match="first is protected"):
        trial.destroy()
    assert trial.provider.names("delete") == []
    trial.program('Thing("first")').up()
    trial.destroy()
    assert trial.provider.names("delete") == ["first"]


def test_a_retained_one_is_only_forgotten(trial: Trial) -> None:
    """The provider is not asked."""
    trial.program('Thing("first", opts=pulumi.ResourceOptions(retain_on_delete=True))').up()
    trial.destroy()
    assert trial.provider.names("delete") == []
    assert trial.resources() == {}


def test_replace_on_changes_turns_an_update_into_a_replacement(trial: Trial) -> None:
    """As the program says, not the provider; delete_before_replace is the program's, too."""
    options = 'opts=pulumi.ResourceOptions(replace_on_changes=["colour"], delete_before_replace=True)'
    trial.program(f'Thing("first", colour="red", {options})').up()
    trial.program(f'Thing("first", colour="blue", {options})').up()
    assert [c for c in trial.provider.calls if c[0] in {"create", "delete"}] == [
        ("create", "first"),
        ("delete", "first"),
        ("create", "first"),
    ]


def test_creates_run_side_by_side(trial: Trial) -> None:
    """Each of 24 waits until all of them have begun."""
    trial.provider.together = threading.Barrier(24)
    trial.program('for number in range(24):\n    Thing(f"t{number}")').up()
    assert trial.provider.made == 24


def test_a_dynamic_provider_works(trial: Trial) -> None:
    """A class in the program makes, changes and deletes its resources."""
    trial.program(
        """
        from pathlib import Path
        from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

        class FileProvider(ResourceProvider):
            def create(self, props):
                Path(props["path"]).write_text(props["text"])
                return CreateResult(id_=props["path"], outs=props)
            def update(self, id, olds, news):
                Path(id).write_text(news["text"])
                return UpdateResult(outs=news)
            def delete(self, id, props):
                Path(id).unlink()

        class File(Resource):
            def __init__(self, name, path, text):
                super().__init__(FileProvider(), name, {"path": path, "text": text})

        File("file", PATH, pulumi.Config().require("text"))
        """.replace("PATH", repr(str(trial.folder / "written")))
    )
    trial.settings(trial__text="hello").up()
    assert (trial.folder / "written").read_text() == "hello"
    trial.settings(trial__text="goodbye").up()
    assert (trial.folder / "written").read_text() == "goodbye"
    trial.destroy()
    assert not (trial.folder / "written").exists()


def test_settings_reach_program_and_provider(trial: Trial) -> None:
    """`<project>:<key>` the one, `<package>:<key>` the other."""
    trial.program('pulumi.export("size", pulumi.Config().require_int("size"))\nThing("first")')
    assert trial.settings(trial__size="3", fake__region="north").up() == {"size": 3}
    assert trial.provider.configured["region"] == "north"


def test_a_provider_that_refuses_its_settings_says_so(trial: Trial) -> None:
    """Before any resource is tried."""
    trial.program('Thing("first")').settings(fake__region="nowhere")
    with pytest.raises(automation.CommandError, match="region: there is no such region"):
        trial.up()
    assert trial.provider.names("create") == []


def test_an_explicit_provider_serves_those_that_name_it(trial: Trial) -> None:
    """It is a resource of the state, before its users, and never deleted by a provider."""
    trial.program(
        """
        class Fake(pulumi.ProviderResource):
            def __init__(self, name):
                super().__init__("fake", name, {"region": "south"})
        Thing("first", opts=pulumi.ResourceOptions(provider=Fake("mine")))
        """
    ).up()
    assert trial.provider.configured["region"] == "south"
    urn, _, _ = trial.resources()["first"]["provider"].rpartition("::")
    assert urn.endswith("pulumi:providers:fake::mine")
    trial.destroy()
    assert trial.export()["resources"] == []
