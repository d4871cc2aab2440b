"""The help of every command, as text and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import typer.main

from installer.cli.main import app

_INTRO = """# The command line

<!-- Written from `--help` by tests/unit/cli/test_help.py; GOLDEN=update writes it anew. -->

Results go to stdout; progress, questions and errors to stderr. On a terminal progress is a live tree of the plan, in a
pipe a line an event, with `-o json` a JSON object an event (and the result is JSON, too). Whatever changes a platform
asks first; `--yes` answers beforehand, and where nobody can be asked the command refuses. Ctrl-C stops after the
running steps, a second one at once; either way the next run goes on from there. Exit codes:
[exit-codes.md](exit-codes.md).

| environment variable | meaning |
| --- | --- |
| `MOORAGE_STATE` | Like `--state`. |
| `MOORAGE_CACHE` | Where bundles and root file systems are kept; `~/.cache/moorage` otherwise. |
| `MOORAGE_PASSPHRASE` | Encrypts the secrets in the state; see `docs/` on state. |
| `MOORAGE_SECRETS_PROVIDER` | Who keeps the key of those secrets instead, such as `awskms://alias/NAME`. |
| `MOORAGE_PRICES` | Like `--prices` of `preview`. |
| `KUBECONFIG` | The first file in it is where `cluster kubeconfig --merge` adds a context. |
| `NO_COLOR` | No colours. |

`moorage --install-completion` installs completion for your shell.
"""


def commands() -> list[tuple[str, ...]]:
    """The words of every command, the bare one first, groups before what is in them."""

    def below(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in getattr(command, "commands", {}).items():
            yield from below(inner, (*words, name))

    return list(below(typer.main.get_command(app()), ()))


def page(help_of: Callable[..., str]) -> str:
    """docs/reference/command-line.md."""
    parts = [_INTRO]
    for words in commands():
        title = " ".join(("moorage", *words))
        parts.append(f"## {title}\n\n```text\n{help_of(*words)}```\n")
    return "\n".join(parts)
