"""The worst that is likely: the nearest joint shock that loses so much, and the greatest profit of an attacker."""
