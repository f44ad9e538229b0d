"""Studies of the model itself: what it owes to choices that stand for nothing in the world, such as the tick."""
