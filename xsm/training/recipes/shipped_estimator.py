"""Train the shipped estimator: ``make train-estimate``.

The training data are cells of a simulated Earth (:mod:`xsm.osse`) that no evaluation uses, with the
predictors of Zhang et al. (2025), doi 10.5194/essd-17-5181-2025, whose inputs cannot be shipped.
"""

from __future__ import annotations

import argparse
import logging
import platform
from pathlib import Path
from typing import Any

from xsm.networks.model import Model
from xsm.networks.registry import kinds
from xsm.osse.cells import FEATURES, TARGET, simulated_cells
from xsm.training.fit_estimator import fit_estimator

logger = logging.getLogger(__name__)

SEED = 201  # of the simulated Earth; seed 0 is reserved for evaluation and users
SETTINGS: dict[str, Any] = {
    "hidden_size": 32, "input_size": 32, "epochs": 16, "batch_size": 16, "learning_rate": 1e-2,
    "weight_decay": 1e-3, "dropout": 0.0, "scaling": "quartiles", "min_crop_days": 60,
    "split": "random",
}  # fmt: skip
DESCRIPTION = (
    "xsm's estimator: {kind} on albedo, temperature, reanalysis, terrain and soil; trained on a "
    "simulated Earth, no product"
)
MEANING = (
    "Predictors and target are simulated (xsm.osse). The relations between them are those of the "
    "simulation, not those of the real world: the weights are for demonstrations and tests only. "
    "For real data, use xsm.fit_estimator."
)


def main(arguments: list[str] | None = None) -> Model:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file of the model")
    parser.add_argument("--kind", choices=kinds("estimate"), default="atlstm")
    parser.add_argument("--stride", type=int, default=6, help="of rows and columns of 0.25 degrees")
    parser.add_argument("--days", type=int, default=425)
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="of torch, such as cuda")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    model = fit_estimator(
        simulated_cells(SEED, stride=options.stride, days=options.days),
        TARGET,
        options.out,
        model=options.kind,
        features=FEATURES,
        seed=options.seed,
        device=options.device,
        card={
            "description": DESCRIPTION.format(kind=options.kind),
            "licence": "Apache-2.0",
            "simulated": True,
            "meaning": MEANING,
            "trained_on": {f"xsm.osse, seed {SEED}, every {options.stride}th cell": options.days},
            "hardware": f"{platform.machine()}, {options.device}",
        },
        **(SETTINGS | {"epochs": options.epochs}),
    )
    logger.info("%s: %s", options.out, model.card["scores"])
    return model


if __name__ == "__main__":
    main()
