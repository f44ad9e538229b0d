"""Doing the runs of a study: every key exactly once, whatever dies, on an executor that dies on command."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from experiments.store.rows import KILLED, OK
from experiments.store.store import Store
from experiments.study.load import load_study
from experiments.sweep.drive import DEATHS
from experiments.sweep.executor import Outcome
from experiments.sweep.plan import Plan
from experiments.sweep.work import Done
from market.errors import InputError
from tests.sweeps import SMALL, Scripted, figure, small_plan, sweep


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return small_plan(tmp_path, text=SMALL.replace("count = 4", "count = 50"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(str(tmp_path / "store"))
    made.check()
    return made


def rows(store: Store) -> dict[str, list[str]]:
    """Status of every stored row, by key."""
    found: dict[str, list[str]] = {}
    for row in store.query("SELECT key, status FROM stored").to_pylist():
        found.setdefault(row["key"], []).append(row["status"])
    return found


def keys(plan: Plan) -> list[str]:
    return [plan.key(number) for number in plan.mine]


def test_every_run_once_and_none_a_second_time(plan: Plan, store: Store) -> None:
    executor = Scripted(store)
    progress = sweep(plan, store, executor).run()
    assert (progress.done, progress.left, len(plan)) == (300, 0, 300)
    assert rows(store) == {key: [OK] for key in keys(plan)}
    again = sweep(plan, store, executor).run()
    assert (again.stored_before, again.done, len(executor.executed)) == (300, 0, 300)


def test_a_wider_study_simulates_only_what_is_new(plan: Plan, store: Store, tmp_path: Path) -> None:
    sweep(plan, store, Scripted(store)).run()
    wider = small_plan(tmp_path, text=SMALL.replace("count = 4", "count = 60").replace("0.3]", "0.3, 0.5]"))
    executor = Scripted(store)
    sweep(wider, store, executor).run()
    assert sorted(executor.executed) == sorted(set(keys(wider)) - set(keys(plan)))


def test_runs_that_kill_are_found_and_set_aside(plan: Plan, store: Store) -> None:
    killers = {keys(plan)[17], keys(plan)[18], keys(plan)[250]}
    executor = Scripted(store, slots=3, killers=killers)
    progress = sweep(plan, store, executor).run()
    assert (progress.killed, progress.left) == (3, 0)
    assert rows(store) == {key: [KILLED] if key in killers else [OK] for key in keys(plan)}
    assert all(executor.executed.count(key) > DEATHS for key in killers)
    again = sweep(plan, store, Scripted(store)).run()
    assert again.done == 0


def test_deaths_that_are_nobodys_fault_lose_nothing(plan: Plan, store: Store) -> None:
    turn = count(1)
    executor = Scripted(store, slots=4, dies=lambda: next(turn) % 7 == 0)
    progress = sweep(plan, store, executor).run()
    assert executor.deaths > 3
    assert (progress.killed, progress.left) == (0, 0)
    assert rows(store) == {key: [OK] for key in keys(plan)}


def test_a_part_that_was_written_before_the_death_counts(plan: Plan, store: Store) -> None:
    class LateDeath(Scripted):
        def wait(self, seconds: float) -> Outcome | None:
            outcome = super().wait(seconds)
            if outcome is not None and not outcome.died and len(self.executed) > 100 and not self.deaths:
                self.deaths = 1
                return Outcome(outcome.chunk, died=True)
            return outcome

    progress = sweep(plan, store, LateDeath(store, slots=1)).run()
    assert (progress.done, progress.left) == (300, 0)
    assert rows(store) == {key: [OK] for key in keys(plan)}


def test_a_first_run_that_kills_stops_the_study(plan: Plan, store: Store) -> None:
    with pytest.raises(InputError, match="the first run takes its process with it"):
        sweep(plan, store, Scripted(store, dies=lambda: True)).run()
    assert rows(store) == {}


def test_first_runs_that_fail_stop_the_study(plan: Plan, store: Store) -> None:
    class Failing(Scripted):
        def wait(self, seconds: float) -> Outcome | None:
            chunk = self.waiting.pop(0)
            self.executed += [task.key for task in chunk.tasks]
            task = chunk.tasks[0]
            return Outcome(chunk, Done(done=1, failed=1, seconds=0.1, failures=((task, "no kernels"),)))

    executor = Failing(store)
    with pytest.raises(InputError, match=r"cannot start; its first runs fail:\nseed 1, .*: no kernels"):
        sweep(plan, store, executor).run()
    assert len(executor.executed) == 3


def test_figures_that_do_not_exist_stop_the_study(store: Store, tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text=SMALL + '[[measures]]\nkind = "mean"\nkpi = "bad_dept_usd"\n')
    with pytest.raises(InputError, match=r"measures.0.kpi: no figure 'bad_dept_usd'; did you mean 'bad_debt_usd'"):
        sweep(plan, store, Scripted(store)).run()


def test_nothing_happens_for_too_long(store: Store, tmp_path: Path) -> None:
    limits = "limits = {stall_seconds = 0.01, seconds_per_run = 0.001}\n"
    plan = small_plan(tmp_path, text=limits + SMALL)

    class Hanging(Scripted):
        hung = 0

        def wait(self, seconds: float) -> Outcome | None:
            if len(self.executed) >= 8 and not self.hung:
                self.hung = 1
            elif self.hung != 1 or not self.waiting:
                return super().wait(seconds)
            return None  # until it is replaced

        def replace(self) -> None:
            super().replace()
            self.hung = 2

    executor = Hanging(store)
    running = sweep(plan, store, executor)
    running._patience = lambda: 0.0  # type: ignore[method-assign]
    progress = running.run()
    assert (executor.hung, progress.left) == (2, 0)
    assert rows(store) == {key: [OK] for key in keys(plan)}


def test_limits_of_time_end_a_sweep_and_it_goes_on_later(store: Store, tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text="limits.hours = 1e-9\n" + SMALL)
    progress = sweep(plan, store, Scripted(store)).run()
    assert progress.ended.startswith("stopped after")
    assert 0 < progress.left < 24
    assert sweep(small_plan(tmp_path), store, Scripted(store)).run().left == 0


def test_ctrl_c_keeps_what_is_finished(plan: Plan, store: Store) -> None:
    class Interrupted(Scripted):
        def wait(self, seconds: float) -> Outcome | None:
            if len(self.executed) > 50 and not self.deaths:
                self.deaths = 1
                raise KeyboardInterrupt
            return super().wait(seconds)

    progress = sweep(plan, store, Interrupted(store)).run()
    assert progress.ended == "interrupted"
    assert 50 < progress.done < 300
    assert len(rows(store)) == progress.done


def test_shares_of_a_plan_are_the_plan(tmp_path: Path) -> None:
    file = small_plan(tmp_path).loaded.file
    shares = [Plan(load_study(file), share=(i, 3)) for i in range(3)]
    everything = np.sort(np.concatenate([share.mine for share in shares]))
    assert everything.tolist() == list(range(24))
    assert min(len(share) for share in shares) > 0


def test_equal_designs_are_one(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text=SMALL.replace("[0.1, 0.3]", "[0.1, 0.3, 0.1]"))
    assert (len(plan.loaded.designs), len(plan.designs), plan.repeated, len(plan)) == (9, 6, 3, 24)
    assert plan.numbers == (0, 1, 2, 3, 4, 5)


def test_made_up_rows_tell_runs_apart(plan: Plan) -> None:
    assert len({figure(key) for key in keys(plan)}) == 300


class Cold(Scripted):
    """The first run of all takes minutes, as where kernels have to be compiled."""

    def wait(self, seconds: float) -> Outcome | None:
        outcome = super().wait(seconds)
        if outcome is not None and outcome.done is not None and len(self.executed) == 1:
            outcome = replace(outcome, done=replace(outcome.done, seconds=500.0))
        return outcome


def test_a_slow_first_run_makes_no_small_chunks(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text=SMALL.replace("count = 4", "count = 100"))
    store = Store(str(tmp_path / "store"))
    store.check()
    assert sweep(plan, store, Cold(store)).run().done == 600
    assert len(store.parts()) < 120, "chunks of ten runs of 0.2 s, but for the first and the last ones"
