"""Backtest: rolling daily forecasts of loss and of liquidations for a book of accounts, against what happened.

Every day the accounts are put back as they are in their file, at that day's first prices; the forecast made from the
days before is held against the day itself. Forecasts are filtered historical simulations (J. Hull and A. White,
"Incorporating volatility updating into the historical simulation method for value at risk", Journal of Risk 1, 1998).
Liquidations here move no price: what they add is for a simulation to say.
"""
