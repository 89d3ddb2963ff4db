"""Train the shipped network that estimates soil moisture: ``make train-estimate``.

On the cells of a simulated Earth (:mod:`xsm.osse`) that no evaluation uses, with the predictors of
Zhang et al. (2025), doi 10.5194/essd-17-5181-2025, whose own inputs cannot be shipped.
"""

from __future__ import annotations

import argparse
import logging
import platform
from pathlib import Path
from typing import Any

from xsm.networks.model import Model
from xsm.networks.recurrent import KINDS
from xsm.osse.cells import FEATURES, TARGET, simulated_cells
from xsm.training.fit_estimator import fit_estimator

logger = logging.getLogger(__name__)

SEED = 201  # of the Earth; seed 0 is left to evaluation and to users
SETTINGS: dict[str, Any] = {
    "hidden": 32, "input": 32, "epochs": 16, "batch": 16, "rate": 1e-2, "dropout": 0.0,
    "scaling": "quartiles", "shortest": 60, "split": "random",
}  # fmt: skip
DESCRIPTION = (
    "xsm's estimator: {kind} on albedo, temperature, reanalysis, terrain and soil; trained on a "
    "simulated Earth, no product"
)
MEANING = (
    "Predictors and target are simulated (xsm.osse). Relations between them are those that the "
    "simulation assumes, not those of the real world: the weights show what such a network does, "
    "and are a start for nothing but tests. For real data, xsm.fit_estimator."
)


def main(arguments: list[str] | None = None) -> Model:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file of the model")
    parser.add_argument("--kind", choices=KINDS, default="atlstm")
    parser.add_argument("--every", type=int, default=6, help="rows and columns of 0.25 degrees")
    parser.add_argument("--days", type=int, default=425)
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="of torch, such as cuda")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    model = fit_estimator(
        simulated_cells(SEED, stride=given.every, days=given.days),
        TARGET,
        given.out,
        model=given.kind,
        features=FEATURES,
        seed=given.seed,
        device=given.device,
        card={
            "description": DESCRIPTION.format(kind=given.kind),
            "licence": "Apache-2.0",
            "simulated": True,
            "meaning": MEANING,
            "trained_on": {f"xsm.osse, seed {SEED}, every {given.every}th cell": given.days},
            "hardware": f"{platform.machine()}, {given.device}",
        },
        **(SETTINGS | {"epochs": given.epochs}),
    )
    logger.info("%s: %s", given.out, model.card["scores"])
    return model


if __name__ == "__main__":
    main()
