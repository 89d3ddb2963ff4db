"""Train the shipped networks that estimate soil moisture: ``python -m xsm.training.estimator``.

On a simulated Earth (:mod:`xsm.osse`) that no evaluation uses: the inputs of Zhang et al. (2025),
doi 10.5194/essd-17-5181-2025, cannot be shipped.
"""

from __future__ import annotations

import argparse
import logging
import platform
from pathlib import Path

import xarray as xr

from xsm.networks.cards import Model
from xsm.networks.recurrent import KINDS
from xsm.training.estimator_fit import fit_estimator

logger = logging.getLogger(__name__)

SEED = 201  # of the Earth; seed 0 is left to evaluation and to users
TARGET = "soil_moisture_ground"
ALBEDO = [f"albedo_{sky}_{band}" for sky in ("bsa", "wsa") for band in ("vis", "nir", "shortwave")]
FEATURES = [*ALBEDO, "lst", "swvl1", "elevation", "slope", "sand", "clay", "silt"]


def simulated_earth(days: int, resolution: float, seed: int = SEED) -> xr.Dataset:
    """Predictors and the soil moisture in the ground, global, coarse."""
    from xsm.tutorial import open_dataset

    return open_dataset(
        "global-month",
        days=days,
        resolution=resolution,
        start="2015-01-01",
        seed=seed,
        covariates=FEATURES,
    ).drop_vars(["soil_moisture", "soil_moisture_truth"])


def main(arguments: list[str] | None = None) -> Model:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file of the model")
    parser.add_argument("--kind", choices=KINDS, default="atlstm")
    parser.add_argument("--split", choices=("random", "blocked"), default="random")
    parser.add_argument("--days", type=int, default=425)
    parser.add_argument("--resolution", type=float, default=2.0, help="degrees")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--without", nargs="*", default=[], help="predictors to leave out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    features = [name for name in FEATURES if name not in given.without]
    model = fit_estimator(
        simulated_earth(given.days, given.resolution),
        TARGET,
        given.out,
        model=given.kind,
        features=features,
        split=given.split,
        every=given.every,
        hidden=given.hidden,
        members=given.members,
        epochs=given.epochs,
        rate=given.rate,
        seed=given.seed,
        device=given.device,
        card={
            "description": f"{given.kind}: soil moisture from albedo, temperature, reanalysis, "
            "terrain and soil; trained on a simulated Earth",
            "licence": "Apache-2.0",
            "simulated": True,
            "trained_on": {f"xsm.osse, seed {SEED}, {given.resolution:g} degrees": given.days},
            "hardware": f"{platform.machine()}, {given.device}",
        },
    )
    logger.info("%s: %s", given.out, model.card["scores"])
    return model


if __name__ == "__main__":
    main()
