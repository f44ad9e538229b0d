"""What every figure is called and how it is defined; the unit is the end of its key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One KPI: its label and its definition."""

    label: str
    meaning: str


GROUPS: dict[str, dict[str, Entry]] = {
    "Liquidations": {
        "liquidation_count": Entry(
            "liquidations", "from the opening of a claim to cure or close-out; an account may have several"
        ),
        "liquidated_account_count": Entry("accounts liquidated", "with at least one forced fill"),
        "liquidated_notional_usd": Entry("notional liquidated", "value of all forced fills, ADL left out"),
        "forced_fill_count": Entry("forced fills", "forced orders that traded, of positions and of collateral"),
        "breached_account_count": Entry(
            "accounts below maintenance", "at least once; some recover before they are closed"
        ),
        "time_under_water_account_seconds": Entry("time under water", "account-seconds with an open claim"),
        "keeper_profit_usd": Entry("keeper profit", "change of all keepers' balances"),
    },
    "Contagion": {
        "cascade_count": Entry("cascades", "sets of liquidations connected by causes, single ones included"),
        "largest_cascade_count": Entry("largest cascade", "liquidations in it"),
        "cascade_depth_generations": Entry("deepest generation", "longest chain of causes; roots are generation 0"),
        "branching_ratio": Entry(
            "branching ratio", "liquidations of the first causal generation per root; not given below 10 roots"
        ),
        "root_count": Entry("roots", "liquidations not mainly caused by earlier forced trades"),
        "amplification": Entry(
            "amplification",
            "largest swing of the main instrument's mark, in logs, over the same in the twin run without forced "
            "trades, same random numbers and window; not given when the twin moves less than 1%",
        ),
    },
    "Losses and who bore them": {
        "bad_debt_usd": Entry(
            "bad debt, gross",
            "negative net equity at close-out or ADL, before the waterfall, plus that still open at the end",
        ),
        "bad_debt_fund_usd": Entry("borne by the insurance fund", ""),
        "bad_debt_adl_usd": Entry("borne by ADL", "size × |mark − bankruptcy price| of deleveraged winners"),
        "bad_debt_socialised_usd": Entry("socialised", "taken from the positive balances of all customers"),
        "bad_debt_uncovered_usd": Entry("uncovered", "left as the venue's deficit"),
        "bad_debt_still_open_usd": Entry("still open", "of accounts below zero that were not closed by the end"),
        "insurance_fund_used_usd": Entry("insurance fund used", "paid for bad debt"),
        "insurance_fund_change_usd": Entry("insurance fund, net change", "its share of fees included"),
        "adl_notional_usd": Entry("ADL notional", "positions taken off winners at bankruptcy prices"),
        "adl_account_count": Entry("accounts deleveraged", ""),
        "socialised_loss_usd": Entry("socialised loss", ""),
    },
    "Liquidity and leverage": {
        "bid_depth_10bps_before_usd": Entry("bids within 10 bps, start", "main instrument, from the mark"),
        "bid_depth_10bps_trough_usd": Entry("bids within 10 bps, trough", "when its mark stands lowest"),
        "bid_depth_50bps_before_usd": Entry("bids within 50 bps, start", ""),
        "bid_depth_50bps_trough_usd": Entry("bids within 50 bps, trough", ""),
        "bid_depth_100bps_before_usd": Entry("bids within 100 bps, start", ""),
        "bid_depth_100bps_trough_usd": Entry("bids within 100 bps, trough", ""),
        "open_interest_before_usd": Entry("open interest, start", "long positions at the mark, all instruments"),
        "open_interest_after_usd": Entry("open interest, end", ""),
        "capital_used_ratio": Entry("leverage in use", "notional of customers per dollar of their net equity, start"),
        "capital_efficiency_ratio": Entry(
            "capital efficiency", "notional that margin equity supports at initial margin, per dollar of net equity"
        ),
    },
    "Checks": {
        "conservation_error": Entry("conservation error", "money or positions made from nothing, quanta; must be 0"),
        "waterfall_error": Entry("waterfall error", "bad debt less the parts that bore it, quanta; must be 0"),
    },
}

PER_INSTRUMENT = (
    ("reference_drawdown_", "_pct", "fall of the reference"),
    ("total_drawdown_", "_pct", "fall of the mark"),
    ("amplification_", "_ratio", "amplification"),
)
"""Start and end of the keys that carry an instrument between them, and the column they fill."""

SPOKEN_ELSEWHERE = ("main_instrument",)

UNITS = {"usd": "USD", "pct": "%", "bps": "bps", "share": "share", "seconds": "s", "ratio": "×", "generations": ""}
"""How the end of a key is written as a unit."""
