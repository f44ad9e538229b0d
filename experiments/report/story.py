"""The page's opening in words: a headline, and who failed, why, and who paid."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.report.facts import MOST_OF_IT, Facts
from experiments.report.words import count, listed, money, percent, sentence, span

PAYERS = {
    "fund": ("the insurance fund", "the insurance fund"),
    "adl": ("ADL", "winning accounts through auto-deleveraging"),
    "socialised": ("all customers", "all customers as socialised loss"),
    "uncovered": ("nobody", "nobody: left uncovered"),
    "still_open": ("accounts still open", "nobody yet: accounts still open below zero"),
}
"""Who bears bad debt, in the order of the waterfall; in one word and in full."""

NOTICEABLE = 0.02
"""Amplification further than this from 1 is spoken of."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """Sentences, each complete."""

    headline: str
    rules: list[str]
    """Whose rules were simulated and what they leave out; empty when they are the scenario's own."""
    failed: list[str]
    why: list[str]
    paid: list[str]


def story(facts: Facts) -> Story:
    """Tell what was measured."""
    rules, paid = facts.about.sentences(), _paid(facts)
    if facts.n_failed == 0:
        why = [_market(facts), *_procyclical(facts)]
        return Story(headline=_quiet(facts), rules=rules, failed=_nobody(facts), why=why, paid=paid)
    return Story(headline=_headline(facts), rules=rules, failed=_failed(facts), why=_why(facts), paid=paid)


def _quiet(facts: Facts) -> str:
    return sentence(
        f"nobody was liquidated: {_population(facts)} came through {_swing_words(facts)} in {span(facts.hours * 3600)}"
    )


def _nobody(facts: Facts) -> list[str]:
    if facts.breached == 0:
        return ["No account fell below its maintenance margin.", *_whose(facts)]
    below = sentence(f"{count(facts.breached, 'account')} fell below maintenance margin, and none was closed by force")
    return [below, *_whose(facts)]


def _market(facts: Facts) -> str:
    return sentence(f"the largest move was {_swing_words(facts)}")


def _headline(facts: Facts) -> str:
    window = facts.busiest
    when = ""
    if window is not None and window.seconds > 0.0 and facts.n_failed > 1:
        when = f", {percent(MOST_OF_IT)} of the notional within {span(window.seconds)}"
    return sentence(
        f"{facts.n_failed:,} of {_population(facts)} {'was' if facts.n_failed == 1 else 'were'} liquidated{when}; "
        f"{_effect(facts)}{_debt(facts)}"
    )


def _debt(facts: Facts) -> str:
    if facts.bad_debt_usd <= 0.0:
        return "; no bad debt"
    return f"; bad debt of {money(facts.bad_debt_usd)} fell on {listed(_briefly(facts))}"


def _population(facts: Facts) -> str:
    return count(sum(facts.population.values()), "account")


def _whose(facts: Facts) -> list[str]:
    """Why there are more accounts than traders."""
    accounts = sum(facts.population.get(role, 0) for role in ("trader", "wallet"))
    if accounts <= facts.traders:
        return []
    return [
        f"{count(facts.traders, 'trader')} {'has' if facts.traders == 1 else 'have'} {accounts:,} of the "
        f"{_population(facts)}: a position with isolated margin is an account of its own, beside a wallet."
    ]


def _failed(facts: Facts) -> list[str]:
    said = [
        f"{facts.n_failed:,} of {_population(facts)}{_who(facts.failed)}. {_how(facts)}",
        *_whose(facts),
        _closed(facts),
    ]
    if facts.breached > facts.n_failed:
        others = count(facts.breached - facts.n_failed, "account")
        said.append(f"Another {others} fell below maintenance margin, and nobody closed them by force.")
    if facts.own_loss_usd > 0.0:
        said.append(f"Those who failed lost {money(facts.own_loss_usd)} of their own equity.")
    if facts.largest_cascade > 1:
        said.append(
            f"The largest cascade was {facts.largest_cascade:,} of {count(facts.liquidations, 'liquidation')} in a "
            f"chain of {count(facts.largest_generations, 'generation')}."
        )
    return said


def _how(facts: Facts) -> str:
    """How many were closed on the books, and how many found nobody there."""
    other = facts.n_failed - facts.on_book
    if other == 0:
        part = ", at least in part" if facts.adl_usd > 0.0 else ""
        if facts.by_seizure:
            were = "All were" if facts.n_failed > 1 else "It was"
            return f"{were} closed by keepers who repaid debts and seized collateral{part}."
        return f"{'All were' if facts.n_failed > 1 else 'It was'} closed on the books{part}."
    nobody = "no buyer" if facts.adl_of_longs else "no seller"
    alone = f"found {nobody} there and {'was' if other == 1 else 'were'} closed only by auto-deleveraging (ADL)."
    if facts.on_book == 0:
        return f"{'All' if other > 1 else 'It'} {alone.replace('there', 'on the books')}"
    were = "was" if facts.on_book == 1 else "were"
    return f"{facts.on_book:,} {were} closed on the books, at least in part; the other {other:,} {alone}"


def _closed(facts: Facts) -> str:
    """What was closed, on the books, by ADL, and by whoever takes accounts over."""
    forced = facts.sold_usd + facts.bought_usd
    parts = []
    if forced > 0.0 and facts.by_seizure:
        parts.append(f"collateral worth {money(forced)}, seized by keepers who repaid debts")
    elif forced > 0.0:
        parts.append(f"{money(forced)} on the books, {percent(facts.sold_usd / forced)} of that by selling")
    if facts.adl_usd > 0.0:
        parts.append(f"{money(facts.adl_usd)} by auto-deleveraging")
    if facts.taken_over_usd > 0.0:
        parts.append(f"{money(facts.taken_over_usd)} taken over by {facts.taker}")
    return f"Closed by force: {', and '.join(parts)}."


def _who(failed: dict[str, int]) -> str:
    """By role, the most frequent first."""
    if len(failed) == 1:
        role, number = next(iter(failed.items()))
        return f", a {role.replace('_', ' ')}" if number == 1 else f", all of them {role.replace('_', ' ')}s"
    return f": {listed([count(number, role.replace('_', ' ')) for role, number in failed.items()])}"


def _why(facts: Facts) -> list[str]:
    said = []
    if facts.broken_anyway is not None:
        dragged = facts.n_failed - facts.broken_anyway
        said.append(
            f"In the twin run, on the same random numbers without forced trades, {anyway(facts.n_failed, dragged)}."
        )
    if facts.forced_loss_share is not None:
        said.append(
            f"Earlier forced trades explain {percent(facts.forced_loss_share)} of the losses that broke accounts; the "
            "rest is the outside market, ordinary trading and the withdrawal of liquidity."
        )
    before, trough = facts.depth_before_usd, facts.depth_trough_usd
    if before and trough is not None and facts.move.mark < 0.0:
        left = money(trough) if trough > 0.0 else "nothing"
        said.append(
            f"Bids within 50 bps of the {facts.main} mark went from {money(before)} at the start to {left} at the "
            "trough."
        )
    return said + _procyclical(facts)


def _procyclical(facts: Facts) -> list[str]:
    """What margin rules that follow the market did by themselves."""
    if facts.called_by_rules_usd is None:
        return []
    if facts.called_by_rules_usd <= 0.0:
        return ["The rules that follow the market called no margin."]
    broken = facts.broken_by_rules
    took = f"and took {count(broken, 'account')} below maintenance" if broken else "and took nobody below maintenance"
    return [
        f"The rules that follow the market called {money(facts.called_by_rules_usd)} of margin by themselves, prices "
        f"and positions as they stood, {took}."
    ]


def anyway(failed: int, dragged: int) -> str:
    """Who would have failed without forced trades, and who was dragged down by them."""
    if failed == 1:
        return "it falls below maintenance too" if dragged == 0 else "it stays above maintenance: it was dragged down"
    if dragged == 0:
        return f"all {failed:,} fall below maintenance too"
    if dragged == failed:
        return f"none of the {failed:,} falls below maintenance: all were dragged down"
    anyway = failed - dragged
    falls, others = "falls" if anyway == 1 else "fall", "was" if dragged == 1 else "were"
    return f"{anyway:,} of the {failed:,} {falls} below maintenance too; the other {dragged:,} {others} dragged down"


def _effect(facts: Facts) -> str:
    """What forced trades did to the main instrument."""
    falls = facts.move.mark < 0.0
    side, traded = ("sales", facts.main_sold_usd) if falls else ("purchases", facts.main_bought_usd)
    what = f"forced {side} of {money(traded)} of {facts.main}"
    if facts.by_seizure:
        what = f"{money(traded)} of collateral, {facts.main}, seized for debts"
    word = "fall" if falls else "rise"
    here = percent(abs(facts.move.mark), 1)
    if facts.move.twin is None:
        return f"{what} came with a {word} of {here}"
    there = percent(abs(facts.move.twin), 1)
    if facts.amplification is None:
        return f"{what} came with a {word} of {here}, {there} without them"
    figure = f"(amplification {facts.amplification:,.2f})"
    if facts.amplification > 1.0 + NOTICEABLE:
        return f"{what} {'deepened its' if falls else 'stretched its'} {word} from {there} to {here} {figure}"
    if facts.amplification < 1.0 - NOTICEABLE:
        return f"with {what} its {word} was {here}, {there} without them {figure}"
    return f"{what} left its {word} of {here} as it was {figure}"


def _swing_words(facts: Facts) -> str:
    return f"a {facts.main} {'fall' if facts.move.mark < 0.0 else 'rise'} of {percent(abs(facts.move.mark), 1)}"


def _paid(facts: Facts) -> list[str]:
    if facts.bad_debt_usd <= 0.0:
        if facts.n_failed == 0:
            return ["There was nothing to pay."]
        return ["There was no bad debt: those who failed paid for their losses themselves."]
    said = [
        f"Accounts that ended below zero left bad debt of {money(facts.bad_debt_usd)}.",
        f"It was borne by {listed(_in_full(facts))}.",
    ]
    said += _fund(facts)
    if facts.deleveraged and facts.adl_usd > 0.0:
        said.append(
            f"Auto-deleveraging took positions of {money(facts.adl_usd)} from {count(facts.deleveraged, 'account')} "
            "on the other side, at the price at which those who failed had nothing left."
        )
    return said


def _fund(facts: Facts) -> list[str]:
    """Where the fund had it from, if it paid more than a little and took in more than a little."""
    if min(facts.paid_usd["fund"], facts.fund_income_usd) <= NOTICEABLE * facts.fund_start_usd:
        return []
    return [
        f"The fund began with {money(facts.fund_start_usd)} and took in {money(facts.fund_income_usd)} on the way, "
        "mostly its share of liquidation fees."
    ]


def _briefly(facts: Facts) -> list[str]:
    """Who bore a noticeable share of bad debt, in a word, each with the share."""
    parts = {name: usd / facts.bad_debt_usd for name, usd in facts.paid_usd.items() if usd > 0.005 * facts.bad_debt_usd}
    if len(parts) == 1:
        return [PAYERS[name][0] for name in parts]
    return [f"{PAYERS[name][0]} ({percent(share)})" for name, share in parts.items()]


def _in_full(facts: Facts) -> list[str]:
    """Everybody who bore bad debt, with amounts and shares that add up to the whole."""
    parts = {name: usd for name, usd in facts.paid_usd.items() if usd > 0.0}
    if len(parts) == 1:
        return [f"{PAYERS[name][1]} alone" for name in parts]
    return [f"{PAYERS[name][1]} ({money(usd)}, {percent(usd / facts.bad_debt_usd)})" for name, usd in parts.items()]
