"""`cascade margin`: what one account is worth, what it must hold, and at which prices it breaks, line by line."""
