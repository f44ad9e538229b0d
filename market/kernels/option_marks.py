"""Options of the venue: their forwards, implied volatilities, marks and standard margin, all from prices of now."""

from __future__ import annotations

import math

import numpy as np

from market.kernels.jit import kernel
from market.kernels.records import OPTION, PPM
from market.kernels.rules.option_margin import short_option
from market.kernels.rules.options import SECONDS_PER_YEAR, black_price
from market.kernels.rules.risk_records import CALL
from market.kernels.rules.surface import move_surface, surface_vol
from market.kernels.safe_distance import heaviest


@kernel
def averaging_seconds(left, window):
    """Seconds of variance to come of an average over the last `window` seconds, in units of the variance of its part
    that is still open; `left` to the end of the window.

    Before the window: left - 2/3 window. Inside: left / 3, the variance of the mean of a random walk.
    """
    return left - window * (2.0 / 3.0) if left >= window else left / 3.0


@kernel
def move_surfaces(surfaces, leads, before, vega_bought, seconds, instruments):
    """Move every surface (SURFACE[n_underlyings]) with the mark of its lead and with forced orders; clear those.

    `leads` int64[n_underlyings] are rows of instruments, NONE for an underlying without options; `before` float64 their
    marks at the last call, 0 at the first.
    """
    for row in range(surfaces.shape[0]):
        if leads[row] < 0:
            continue
        mark = float(instruments[leads[row]].mark)
        move = math.log(mark / before[row]) if before[row] > 0.0 else 0.0
        move_surface(surfaces[row], move, vega_bought[row], seconds)
        before[row] = mark
        vega_bought[row] = 0.0


@kernel
def _usd_per_unit(instrument, quote):
    """USD quanta per lot and quote unit of price."""
    return instrument.tick_value / instrument.tick_size * (quote.price * quote.multiplier / quote.divisor)


@kernel
def _ask_margin(instrument, base, quote, value, per_unit, rule):
    """Write the standard margin of one short lot worth `value` quote units, and how fast its excess can change."""
    spot = (base.price * base.price_tick) / (quote.price * quote.price_tick)
    is_call = instrument.is_call != 0
    initial = short_option(is_call, spot, instrument.strike, value, True, rule) - value
    maintenance = short_option(is_call, spot, instrument.strike, value, False, rule) - value
    instrument.short_initial = int(np.ceil(max(initial, 0.0) * per_unit))
    instrument.short_maintenance = int(np.ceil(max(maintenance, 0.0) * per_unit))
    forward = instrument.forward_price * instrument.tick_size
    rates = rule.call_rate * spot if is_call else rule.put_rate * spot + rule.put_mark_rate * forward
    weight = heaviest(quote) / PPM
    # Where the quote asset moves as well, value is the product of both.
    instrument.exposure = (weight * forward + rates) * per_unit * (1.0 if quote.fixed else 2.2)


@kernel
def mark_options(now, window, averages, elapsed, surfaces, books, instruments, assets, rules):
    """Set every option's forward, volatility, mark and standard margin at `now` seconds; what has expired stays.

    `averages` float64[n_instruments] are settlement averages so far in quote units, `elapsed` the seconds they cover;
    `books` RISK_BOOK, `rules` STANDARD, one row per instrument. Inside the window the part of the average that is
    already there does not move any more: value is that of an option on what is still to come. Rows of all other
    instruments take over their marks, in ticks.
    """
    for row in range(instruments.shape[0]):
        instrument = instruments[row]
        if instrument.kind != OPTION:
            quote = assets[instrument.quote]
            books[row].forward = instrument.mark
            books[row].per_lot = instrument.tick_value * (quote.price * quote.multiplier / quote.divisor)
            continue
        if instrument.expiry <= now:
            continue
        left = instrument.expiry - now
        forward = instruments[instrument.forward].mark * instruments[instrument.forward].tick_size
        open_share = left / (left + elapsed[row])
        book = books[row]
        book.fixed = (1.0 - open_share) * averages[row]
        book.forward = open_share * forward
        expected = book.fixed + book.forward
        book.seconds = averaging_seconds(left, window)
        vol = surface_vol(surfaces[book.underlying], expected, instrument.strike, left / SECONDS_PER_YEAR)
        # Only the open part of the average moves.
        book.vol = vol * book.forward / expected
        quote = assets[instrument.quote]
        book.per_lot = _usd_per_unit(instrument, quote)
        instrument.forward_price = expected / instrument.tick_size
        instrument.deviation = book.vol * math.sqrt(book.seconds / SECONDS_PER_YEAR)
        value = black_price(book.kind == CALL, expected, instrument.strike, instrument.deviation)
        instrument.mark = int(np.floor(value / instrument.tick_size + 0.5))
        instrument.index = instrument.reference = instrument.mark
        _ask_margin(instrument, assets[instrument.base], quote, value, book.per_lot, rules[row])
