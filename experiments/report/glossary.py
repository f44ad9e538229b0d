"""What every figure is called and how it is defined; the unit is the end of its key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One KPI: its label and its definition; `unit` where the end of its key does not say it."""

    label: str
    meaning: str
    unit: str = ""


# The instrument with the most forced notional stands for {main}.
GROUPS: dict[str, dict[str, Entry]] = {
    "Liquidations": {
        "liquidated_account_count": Entry(
            "accounts liquidated", "on which a claim led to a forced fill, or to ADL of what they held", "accounts"
        ),
        "liquidated_on_book_account_count": Entry(
            "of these on the books", "with at least one forced fill; what was left may have gone to ADL", "accounts"
        ),
        "liquidated_by_adl_only_account_count": Entry(
            "of these only by ADL",
            "no forced order of theirs found a counterparty before they were bankrupt",
            "accounts",
        ),
        "liquidation_count": Entry(
            "liquidations", "claims that led to forced fills or ADL, each until cure or close-out", "claims"
        ),
        "liquidated_notional_usd": Entry("closed on the books", "value of all forced fills; ADL is counted below"),
        "forced_fill_count": Entry(
            "forced fills", "forced orders that traded on a book, of positions and of collateral", "fills"
        ),
        "breached_account_count": Entry(
            "below maintenance", "at least once; some recover before they are closed", "accounts"
        ),
        "time_under_water_account_seconds": Entry(
            "time under water", "summed over accounts, with an open claim", "account-s"
        ),
        "liquidation_latency_p50_seconds": Entry(
            "time to close, median",
            "of a liquidation: from the opening of its claim to the last forced fill or ADL",
            "s",
        ),
        "liquidation_latency_p90_seconds": Entry("time to close, 90%", "nine in ten are closed by then", "s"),
        "liquidation_latency_p99_seconds": Entry("time to close, 99%", "", "s"),
        "liquidation_latency_max_seconds": Entry("time to close, longest", "", "s"),
        "keeper_profit_usd": Entry("keeper profit", "change of all keepers' balances"),
    },
    "Contagion": {
        "amplification": Entry(
            "amplification, {main}",
            "largest swing of its mark, in logs, over the same in the twin run without forced "
            "trades, same random numbers and window; not given when the twin moves less than 1%",
            "×",
        ),
        "branching_ratio": Entry(
            "branching ratio", "liquidations of the first causal generation per root; not given below 10 roots", "×"
        ),
        "cascade_count": Entry(
            "cascades", "sets of liquidations connected by causes, single ones included", "cascades"
        ),
        "largest_cascade_count": Entry("largest cascade", "by number of liquidations", "liquidations"),
        "largest_cascade_generations": Entry("its depth", "causal generations, the root counted"),
        "cascade_depth_generations": Entry("deepest cascade", "longest chain of causes, the root counted"),
        "root_count": Entry("roots", "liquidations not mainly caused by earlier forced trades", "liquidations"),
    },
    "Losses and who bore them": {
        "bad_debt_usd": Entry(
            "bad debt, gross",
            "negative net equity at close-out or ADL, before the waterfall, plus that still open at the end",
        ),
        "bad_debt_fund_usd": Entry("borne by the fund", "the insurance fund"),
        "bad_debt_adl_usd": Entry("borne by ADL", "size × |mark − bankruptcy price| of deleveraged winners"),
        "bad_debt_socialised_usd": Entry("socialised", "taken from the positive balances of all customers"),
        "bad_debt_uncovered_usd": Entry("uncovered", "left as the venue's deficit"),
        "bad_debt_still_open_usd": Entry("still open", "of accounts below zero that were not closed by the end"),
        "insurance_fund_change_usd": Entry("fund, net change", "of the insurance fund, its share of fees included"),
        "adl_notional_usd": Entry(
            "closed by ADL", "positions of bankrupt accounts, taken off winners at bankruptcy prices"
        ),
        "adl_account_count": Entry("accounts deleveraged", "winners on the other side of ADL", "accounts"),
        "backstop_notional_usd": Entry("taken over by the backstop", "positions, at the mark"),
        "backstop_account_count": Entry("accounts taken over", "by the backstop, whole", "accounts"),
        "backstop_profit_usd": Entry("backstop's profit", "change of its net equity, open profit included"),
        "absorbed_account_count": Entry("accounts absorbed", "by the venue's reserves, whole", "accounts"),
        "absorbed_collateral_usd": Entry("their collateral", "at what the reserves paid for it"),
        "absorbed_collateral_sold_usd": Entry("sold on by the reserves", "to keepers, who sold it on the books"),
    },
    "Liquidity of {main}, and leverage": {
        "bid_depth_10bps_before_usd": Entry("bids within 10 bps, start", "of the mark"),
        "bid_depth_10bps_trough_usd": Entry("bids within 10 bps, trough", "when the mark stands lowest"),
        "bid_depth_50bps_before_usd": Entry("bids within 50 bps, start", ""),
        "bid_depth_50bps_trough_usd": Entry("bids within 50 bps, trough", ""),
        "bid_depth_100bps_before_usd": Entry("bids within 100 bps, start", ""),
        "bid_depth_100bps_trough_usd": Entry("bids within 100 bps, trough", ""),
        "bid_depth_50bps_least_usd": Entry("bids within 50 bps, least", "of all samples"),
        "bid_depth_50bps_recovery_seconds": Entry(
            "their recovery time", "time constant of coming back from the low; not given if half was never gone", "s"
        ),
        "market_maker_profit_usd": Entry("makers' profit", "on all books, open profit included; not of what they own"),
        "arbitrageur_profit_usd": Entry("arbitrageurs' profit", "likewise, hedges outside included"),
        "attacker_profit_usd": Entry("attackers' profit", "likewise, what they had to close included"),
        "open_interest_before_usd": Entry(
            "open interest, start", "long positions at the mark, all instruments but options"
        ),
        "open_interest_after_usd": Entry("open interest, end", ""),
        "capital_used_ratio": Entry("leverage in use", "notional of customers per dollar of their net equity, start"),
        "capital_relevered_ratio": Entry(
            "capital efficiency, re-levered", "the same if every customer used recording.utilisation of initial margin"
        ),
        "capital_efficiency_ratio": Entry(
            "capital efficiency", "notional that margin equity supports at initial margin, per dollar of net equity"
        ),
    },
    "Options": {
        "auctioned_account_count": Entry("option books auctioned", "to dealers, in slices", "accounts"),
        "auctioned_notional_usd": Entry("their positions", "at the marks, options at market value"),
        "auction_payments_usd": Entry("paid to dealers", "for taking them over"),
        "dealer_profit_usd": Entry("dealers' profit", "change of their net equity, hedges included"),
    },
    "Pools": {
        "pool_swap_count": Entry("swaps", "in all automated market makers, liquidations included", "swaps"),
        "pool_volume_usd": Entry("swap volume", "what was paid in, at the reference prices of the end"),
        "pool_fees_usd": Entry("fees", "what providers earned of it"),
        "pool_impermanent_loss_usd": Entry(
            "impermanent loss", "reserves worth less than had they been held from the start, fees left out"
        ),
        "pool_provider_profit_usd": Entry("providers' profit", "fees less impermanent loss"),
        "pool_arbitrageur_profit_usd": Entry("arbitrageurs' profit", "hedges outside included"),
        "pool_collateral_sold_usd": Entry("collateral sold into pools", "by liquidation calls"),
    },
    "Circuit breakers": {
        "halt_count": Entry("halts", "times that trading stopped, of one instrument or of the venue", "halts"),
        "halted_instrument_seconds": Entry("time halted", "summed over instruments", "instrument-s"),
        "orders_refused_by_halt_count": Entry("orders refused by halts", "cancellations pass", "orders"),
        "orders_refused_by_band_count": Entry("orders refused by the band", "buys above it, sells below it", "orders"),
        "orders_capped_by_band_count": Entry("orders moved into the band", "to its edge", "orders"),
        "market_orders_stopped_by_band_count": Entry(
            "market orders stopped by the band", "nothing inside it", "orders"
        ),
        "reduce_only_seconds": Entry("time in reduce-only", "orders may only shrink positions", "s"),
        "orders_refused_by_reduce_only_count": Entry(
            "orders refused by it", "those of accounts with nothing to shrink; the others were cut", "orders"
        ),
        "liquidations_delayed_count": Entry(
            "liquidations held back",
            "claims that met halted books, a spent throttle, or a band with nobody inside",
            "claims",
        ),
        "liquidations_stopped_by_band_count": Entry(
            "of these by the band", "whose forced orders had nothing inside it to trade with", "claims"
        ),
    },
    "Lending market": {
        "seized_usd": Entry("collateral seized", "at the venue's prices of the moment"),
        "repaid_by_keepers_usd": Entry("debts repaid by keepers", "for that collateral, fees on top included"),
        "seizure_count": Entry("seizures", "of one collateral for one debt", "seizures"),
        "seized_account_count": Entry("accounts seized", "with at least one seizure", "accounts"),
        "deficit_usd": Entry("deficit", "debts left when collateral was gone that nobody has paid"),
        "interest_usd": Entry("interest", "paid by debtors, at the prices of the end"),
        "repaid_by_borrowers_usd": Entry("debts repaid when called", "by borrowers, with money from outside"),
        "unwound_by_loopers_usd": Entry("collateral unwound", "sold by loopers to repay"),
        "withdrawn_usd": Entry("deposits withdrawn", "by depositors who ran"),
        "withdrawals_refused_usd": Entry(
            "withdrawals refused", "asked for and not paid at once, for want of liquidity"
        ),
        "withdrawals_queued_usd": Entry("withdrawals waiting", "at the end"),
        "withdrawals_queued_most_usd": Entry("withdrawals waiting, most", "at any time"),
        "withdrawals_queued_account_count": Entry("depositors waiting", "at the end", "accounts"),
        "keeper_inventory_sold_usd": Entry("inventory sold by keepers", "at the reference, before the cost of selling"),
        "keeper_inventory_loss_usd": Entry(
            "lost by holding it", "fall of the reference from seizure to sale, or to the end; negative is a gain"
        ),
    },
    "Margin rules that move": {
        "margin_called_by_rules_usd": Entry(
            "margin called by rules",
            "fall of margin excess by updates of haircuts and rates alone, prices and positions as they stood; summed "
            "over updates and the customers whose excess fell",
        ),
        "margin_called_by_rules_at_once_usd": Entry("of this by one update", "the largest"),
        "margin_released_by_rules_usd": Entry("margin released by rules", "rise of margin excess, likewise"),
        "broken_by_rules_account_count": Entry(
            "broken by rules", "above maintenance before an update and below it after, summed over updates", "accounts"
        ),
    },
    "Oracles and block space": {
        "block_count": Entry("blocks", "shared with everybody else on the chain", "blocks"),
        "block_fill_share": Entry("mean fill", "part of the capacity that was used", "share"),
        "full_block_share": Entry("full blocks", "part of all blocks", "share"),
        "base_fee_median_usd_per_mgas": Entry("base fee, median", "over blocks", "USD per Mgas"),
        "base_fee_largest_usd_per_mgas": Entry("base fee, largest", "", "USD per Mgas"),
        "keeper_base_fees_usd": Entry("base fees of keepers", "their bids come on top"),
        "oracle_update_count": Entry("oracle updates", "that a block has taken", "updates"),
        "oracle_update_still_waiting_count": Entry("still waiting at the end", "", "updates"),
        "oracle_update_wait_p50_seconds": Entry(
            "update's wait, median", "from sending off to the block that took it; one block at least", "s"
        ),
        "oracle_update_wait_p90_seconds": Entry("update's wait, 90%", "", "s"),
        "oracle_update_wait_p99_seconds": Entry("update's wait, 99%", "", "s"),
        "oracle_withheld_feed_seconds": Entry(
            "prices withheld", "time in which sources were too far apart, summed over feeds", "feed-s"
        ),
        "top_up_count": Entry("top-ups", "that a block has taken", "transfers"),
        "top_up_still_waiting_count": Entry("still waiting at the end", "", "transfers"),
        "top_up_wait_p50_seconds": Entry("top-up's wait, median", "", "s"),
        "top_up_wait_p90_seconds": Entry("top-up's wait, 90%", "", "s"),
        "top_up_wait_p99_seconds": Entry("top-up's wait, 99%", "", "s"),
    },
    "Checks": {
        "conservation_error": Entry("conservation error", "money or positions made from nothing; must be 0", "quanta"),
        "waterfall_error": Entry("waterfall error", "bad debt less the parts that bore it; must be 0", "quanta"),
    },
}

PER_INSTRUMENT = (
    ("reference_drawdown_", "_pct", "reference"),
    ("twin_drawdown_", "_pct", "twin's mark"),
    ("total_drawdown_", "_pct", "mark"),
    ("amplification_", "_ratio", "amplification"),
)
"""Start and end of the keys that carry an instrument between them, and the column they fill."""

SPOKEN_ELSEWHERE = ("main_instrument", "insurance_fund_used_usd", "socialised_loss_usd")
"""Names of things, and figures that are listed under another name already."""

UNITS = {
    "usd": "USD",
    "pct": "%",
    "bps": "bps",
    "share": "share",
    "seconds": "s",
    "ratio": "×",
    "generations": "generations",
}
"""How the end of a key is written as a unit."""
