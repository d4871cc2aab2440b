"""The report on density as a picture: one SVG without scripts, styles of others or fonts of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from installer.cli.tables import cores, gib, times

if TYPE_CHECKING:  # a picture does not need what measures
    from installer.workflows.density import Amount, Density

# Colours that people with any colour vision tell apart: Okabe and Ito, https://jfly.uni-koeln.de/color/.
_COLOURS: Final = {"control planes": "#0072b2", "nodes": "#e69f00", "system, manager, datastore": "#8c8c8c"}
_WIDTH, _LEFT, _BARS = 880, 170, 560  # pixels: of the picture, where bars begin, the longest bar
_BAR, _STEP, _SECTION = 26, 38, 168  # pixels: a bar, from one to the next, from one section to the next
_TOP: Final = 92

Bar = tuple[str, Sequence[int]]  # its name, and its pieces in the order of _COLOURS


def svg(found: Density) -> str:
    """Two groups of three bars, memory and CPU: as VMs, reserved here, used here; all of a group on one scale."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_TOP + 2 * _SECTION + 24}" '
        f'width="{_WIDTH}" font-family="sans-serif" font-size="14" fill="#222">',
        f"<title>{escape(_title(found))}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        _text(24, 36, _title(found), font_size=20),
        _text(24, 60, _subtitle(found), fill="#555"),
        *_section(_TOP, "Memory", _bars(found, lambda amount: amount.memory), gib),
        *_section(_TOP + _SECTION, "CPU", _bars(found, lambda amount: amount.cpu), lambda n: f"{cores(n)} cores"),
        *_legend(_TOP + 2 * _SECTION),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _title(found: Density) -> str:
    return f"{found.platform}: {len(found.clusters)} clusters on {found.hosts} hosts, or as {found.vm_count} VMs"


def _subtitle(found: Density) -> str:
    ratio = times(found.as_vms.both.memory, found.all_used.memory)
    lacking = len(found.not_measured)  # the table names them
    missing = f"; {lacking} of {found.hosts} hosts are not measured: what is reserved counts" if lacking else ""
    return f"As VMs they would take {ratio} the memory that is used here{missing}."


def _bars(found: Density, of: Callable[[Amount], int]) -> Sequence[Bar]:
    return (
        ("as VMs", (of(found.as_vms.control_planes), of(found.as_vms.nodes), 0)),
        ("reserved here", (of(found.reserved.control_planes), of(found.reserved.nodes), 0)),
        ("used here", (of(found.used.control_planes), of(found.used.nodes), of(found.shared))),
    )


def _section(top: int, title: str, bars: Sequence[Bar], told: Callable[[int], str]) -> Iterator[str]:
    longest = max(1, *(sum(pieces) for _, pieces in bars))
    yield _text(24, top + 18, title, font_weight="bold")
    for index, (name, pieces) in enumerate(bars):
        y, x = top + 30 + index * _STEP, float(_LEFT)
        yield _text(_LEFT - 12, y + 18, name, text_anchor="end")
        for colour, piece in zip(_COLOURS.values(), pieces, strict=True):
            width = piece * _BARS / longest
            yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>'
            x += width
        yield _text(round(x) + 10, y + 18, told(sum(pieces)))


def _legend(top: int) -> Iterator[str]:
    x = _LEFT
    for name, colour in _COLOURS.items():
        yield f'<rect x="{x}" y="{top - 11}" width="14" height="14" fill="{colour}"/>'
        yield _text(x + 22, top + 1, name)
        x += 150


def _text(x: int, y: int, text: str, **given: object) -> str:
    """Text at a place; `given` are more attributes, with _ for -."""
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in given.items())
    return f'<text x="{x}" y="{y}"{more}>{escape(text)}</text>'
