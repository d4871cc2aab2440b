"""What is noted on a host that is to be empty."""

from __future__ import annotations

from installer.kubernetes import draining


def test_a_host_that_may_be_used_again_has_no_note_left() -> None:
    """Also where it was about to leave and was put back into the specification."""
    noted = {**draining.begin("now")["metadata"]["annotations"], **draining.leave("now")["metadata"]["annotations"]}
    assert draining.leaves(noted)
    assert draining.end()["metadata"]["annotations"] == dict.fromkeys(noted)
    assert draining.end()["spec"] == dict.fromkeys(draining.begin("now")["spec"])
