"""Runs a playbook: phases by their strategies, side by side where they may, each failure kept and none hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from installer.core.clock import Clock, SystemClock
from installer.core.errors import InstallerError
from installer.engine import events, rolling
from installer.engine.failures import InterruptedRunError, combined
from installer.engine.interruption import Interruption
from installer.engine.journal import Journal
from installer.engine.plan import Target
from installer.engine.playbook import Batches, Phase, Playbook, Selects
from installer.engine.step_run import Surroundings, run_step

S = TypeVar("S", bound=Selects)

_NOTICE_S = 0.2  # how soon Ctrl-C is answered while steps run


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A run that came to its end."""

    changed: bool
    seconds: float


def run(
    playbook: Playbook[S],
    ctx: S,
    *,
    reporter: events.Reporter,
    journal: Journal,
    clock: Clock | None = None,
    at_once: int = 32,
    paused: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Do what the playbook says, each step planned again just before it runs, at most `at_once` targets side by side.

    `paused`: asked before each step; once it says so, the run stops as for a first Ctrl-C.

    A phase with failures comes to its end (the other hosts finish), then the run stops and raises all of them.
    The first Ctrl-C or SIGTERM stops after the running steps with InterruptedRunError, the second at once.
    """
    clock = clock or SystemClock()
    started = clock.now()
    with Interruption() as interruption:
        around = Surroundings(reporter, journal, clock, lambda: runner.stopping)
        runner = _Runner(ctx, around, at_once, interruption, paused)
        outlines = tuple(events.PhaseOutline(p.name, p.title, p.strategy_text) for p in playbook.phases)
        reporter.report(events.PlanStarted(playbook.name, playbook.title, outlines))
        ended, changed = events.Outcome.FAILED, False
        try:
            outcome = runner.run(playbook.phases)
            ended, changed = outcome.ended, outcome.changed
            outcome.raise_errors()
        except KeyboardInterrupt:
            ended = events.Outcome.INTERRUPTED
            raise
        finally:
            journal.finish(ended)
            reporter.report(events.Finished(ended, changed, clock.now() - started))
    return RunResult(changed=changed, seconds=clock.now() - started)


@dataclass(frozen=True)
class _Outcome:
    """What became of some targets; steps that were not started count as an InterruptedRunError."""

    changed: bool = False
    errors: tuple[InstallerError, ...] = ()

    def __or__(self, other: _Outcome) -> _Outcome:
        return _Outcome(self.changed or other.changed, self.errors + other.errors)

    @property
    def failures(self) -> tuple[InstallerError, ...]:
        return tuple(error for error in self.errors if not isinstance(error, InterruptedRunError))

    @property
    def ended(self) -> events.Outcome:
        if self.failures:
            return events.Outcome.FAILED
        return events.Outcome.INTERRUPTED if self.errors else events.Outcome.DONE

    def raise_errors(self) -> None:
        if self.errors:
            raise combined(self.failures or self.errors[:1])


@dataclass
class _Runner(Generic[S]):
    ctx: S
    around: Surroundings
    at_once: int
    interruption: Interruption
    paused: Callable[[], bool]
    background: dict[str, Future[_Outcome]] = field(default_factory=dict)
    failed: bool = False  # a phase failed: nothing more starts, in other phases, too
    told: bool = False

    @property
    def stopping(self) -> bool:
        return self.failed or self.interruption.requested or self.paused()

    def run(self, phases: Sequence[Phase[S]]) -> _Outcome:
        """All phases in order, background ones beside the others."""
        pool = ThreadPoolExecutor(max_workers=len(phases), thread_name_prefix="background")
        try:
            outcome = _Outcome()
            for phase in phases:
                outcome |= self._gather(self.background[name] for name in phase.needs if name in self.background)
                if self.stopping:
                    outcome |= _Outcome(errors=(InterruptedRunError(),))
                    break
                if phase.background:
                    self.background[phase.name] = pool.submit(self._phase, phase)
                else:
                    outcome |= self._phase(phase)
            outcome |= self._gather(self.background.values())
        except BaseException:
            self.failed = True
            raise
        finally:
            pool.shutdown(wait=False)
        return outcome

    def _phase(self, phase: Phase[S]) -> _Outcome:
        started = self.around.clock.now()
        outcome = _Outcome()
        try:
            targets = tuple(self.ctx.targets(phase.on))
            self.around.reporter.report(events.PhaseStarted(phase.name, tuple(map(str, targets))))
            for batch in _batches(phase, targets):
                outcome |= self._batch(phase, batch)
                if len(outcome.failures) > phase.tolerates or len(outcome.errors) > len(outcome.failures):
                    break
        except InstallerError as exc:  # the targets cannot be told
            outcome |= _Outcome(errors=(exc.with_place(step=phase.title),))
        self.failed = self.failed or bool(outcome.failures)
        seconds = self.around.clock.now() - started
        if outcome.errors:
            self.around.reporter.report(events.PhaseFailed(phase.name, seconds))
        else:
            self.around.reporter.report(events.PhaseDone(phase.name, outcome.changed, seconds))
        return outcome

    def _batch(self, phase: Phase[S], targets: Sequence[Target]) -> _Outcome:
        pool = ThreadPoolExecutor(max_workers=min(self.at_once, len(targets)), thread_name_prefix=phase.name)
        try:
            return self._gather([pool.submit(self._target, phase, target) for target in targets])
        finally:
            # Never waits here: either all are done, or the user asked twice to stop at once.
            pool.shutdown(wait=False, cancel_futures=True)

    def _target(self, phase: Phase[S], target: Target) -> _Outcome:
        changed = False
        for named in phase.steps:
            if self.stopping:
                return _Outcome(changed, (InterruptedRunError(),))
            try:
                changed |= run_step(self.around, self.ctx, phase, named, target)
            except InstallerError as exc:
                return _Outcome(changed, (exc,))
        self.around.reporter.report(events.TargetDone(phase.name, target.name, changed))
        return _Outcome(changed)

    def _gather(self, futures: Iterable[Future[_Outcome]]) -> _Outcome:
        """The outcomes of all, after all have ended; a bug in one is raised only then."""
        waiting = futures = tuple(futures)
        while waiting:
            waiting = tuple(wait(waiting, timeout=_NOTICE_S).not_done)
            if self.interruption.requested and not self.told:
                self.told = True
                text = "stopping: running steps come to their end first; Ctrl-C again stops at once"
                self.around.reporter.report(events.Note(text))
        outcome = _Outcome()
        for future in futures:
            outcome |= future.result()
        return outcome


def _batches(phase: Phase[S], targets: Sequence[Target]) -> Iterator[Sequence[Target]]:
    if phase.first_alone and targets:
        yield targets[:1]
        targets = targets[1:]
    if isinstance(phase.strategy, Batches):
        yield from rolling.batches(targets, phase.strategy.batches, lambda target: target.group)
    else:
        yield from rolling.batches(targets, 1 if phase.strategy == "serial" else "100%")
