"""How well the methods do, on data held out from all training."""
