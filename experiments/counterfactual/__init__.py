"""What would have happened otherwise: further runs on the same random numbers (docs/contagion.md)."""

from experiments.counterfactual.compare import Alternative, Comparison, counterfactual
from experiments.counterfactual.setting import Setting, setting

__all__ = ["Alternative", "Comparison", "Setting", "counterfactual", "setting"]
