"""The process that runs a stack's program: `python -m installer.provision.embedded.program FILE`, settings in its
environment.

It ends when its standard input is closed, so that it never outlives the engine that started it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import runpy
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from pulumi import RunError, log
from pulumi.runtime import Settings, configure, set_all_config
from pulumi.runtime.stack import run_in_stack

SETTINGS = "MOORAGE_RUN"
_AT_ONCE = 128  # resources; each waits in a thread of its own


def main() -> int:
    """Run the program in a stack and return its exit code: 0, or 1 when it or a resource of it failed."""
    settings = json.loads(os.environ.pop(SETTINGS))
    log.debug = _untold
    threading.Thread(target=_end_with_input, daemon=True).start()
    file = Path(sys.argv[1])
    sys.path.insert(0, str(file.parent))
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it tells of every resource that waited for a failed one
    configure(
        Settings(
            project=settings["project"],
            stack=settings["stack"],
            monitor=settings["monitor"],
            engine=settings["monitor"],
            parallel=_AT_ONCE,
            dry_run=settings["dryRun"],
            organization="organization",
            root_directory=str(file.parent),
        )
    )
    set_all_config(settings["config"], [])
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=_AT_ONCE))
    loop.set_exception_handler(lambda *_: None)
    try:
        loop.run_until_complete(run_in_stack(lambda: _run(file)))
    except RunError as exc:
        log.error(str(exc))
        sys.stderr.write(f"{exc}\n")  # what the operation says of its end
        return 1
    except Exception:  # noqa: BLE001 - the program is the user's; whatever it raises is its failure
        sys.stderr.write(traceback.format_exc())
        return 1
    finally:
        _cancel_all(loop)
        loop.close()
    return 0


def _run(file: Path) -> None:
    runpy.run_path(str(file), run_name="__main__")


def _untold(*_: Any, **__: Any) -> None:
    """For what the SDK tells of itself, five calls to the engine a resource: nobody reads it."""


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            loop.run_until_complete(task)


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
