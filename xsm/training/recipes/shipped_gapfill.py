"""Train the shipped gap-filling networks: ``make train-gapfill``.

The training data are a month of real AMSR2 retrievals, without held-out regions and days
(:mod:`xsm.training.splits`), and simulated Earths (:mod:`xsm.osse`) that no evaluation uses.
"""

from __future__ import annotations

import argparse
import logging
import platform
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xsm.networks.model import Model, load_model, save_model
from xsm.networks.registry import network
from xsm.training.calibration import calibrate
from xsm.training.loop import Curve
from xsm.training.patch_fit import fit_patches
from xsm.training.patches import Sampler, TrainingRecord
from xsm.training.splits import day_mask, region_mask

logger = logging.getLogger(__name__)

KIND = "partial_conv"
AMSR2_FRACTION = 0.75  # of the samples
SIMULATED = (  # name, seed, fraction of the samples; seed 0 is reserved for evaluation and users
    ("global-month", 101, 0.15),
    ("cci-europe", 102, 0.05),
    ("smap-conus", 103, 0.05),
)
DESCRIPTIONS = {
    "default": "xsm's gap-filling network: masked pyramid, partial 3-D convolutions, wide head",
    "sgd-sm": "the network of SGD-SM (Zhang et al., 2021), trained the same way; for comparison",
}


def amsr2_parts(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation part of the AMSR2 month, (T, H, W), m3 m-3, NaN elsewhere.

    Training: training regions on training days. Validation: validation regions on all days but
    the test days.
    """
    with xr.open_dataset(path) as ds:
        array = ds["soil_moisture_x"].transpose("time", "lat", "lon")
        values = (array.values / 100).astype(np.float32)
        lat, lon = ds["lat"].values, ds["lon"].values
    nan = np.float32(np.nan)
    days = {part: day_mask(values.shape[0], part) for part in ("train", "val")}
    train, not_test = days["train"], days["train"] | days["val"]
    return (
        np.where(region_mask(lat, lon, "train"), values[train], nan),
        np.where(region_mask(lat, lon, "val"), values[not_test], nan),
    )


def simulated_records(*, truth: bool) -> list[TrainingRecord]:
    """Records of simulated Earths, with the gaps and the noise of the sensors.

    With `truth`, the target is the field without noise, else the hidden retrieval.
    """
    from xsm.tutorial import open_dataset

    records = []
    for name, seed, fraction in SIMULATED:
        ds = open_dataset(name, seed=seed, truth=truth, covariates=False)
        field = ds["soil_moisture_truth"].values if truth else None
        wrap = name == "global-month"
        values = ds["soil_moisture"].values
        records.append(TrainingRecord(values, truth=field, wrap=wrap, weight=fraction, name=name))
    return records


def train(
    network_name: str,
    amsr2: str | Path,
    out: str | Path,
    *,
    steps: int,
    batch_size: int = 2,
    seed: int = 0,
    start: str | None = None,
    truth: bool = False,
    learning_rate: float = 2e-3,
    device: str = "cpu",
    workers: int = 0,
) -> Model:
    """Train a network and save it with its card.

    Parameters
    ----------
    network_name : {"default", "sgd-sm"}
    amsr2 : path of the AMSR2 month
    out : path of the model to write
    steps, batch_size, seed, learning_rate, device, workers
        As in :func:`xsm.training.patch_fit.fit_patches`.
    start : str, optional
        A model to train further, by name or path.
    truth : bool
        Learn the truth of simulated records instead of their hidden retrievals.

    Returns
    -------
    Model
    """
    row = network(KIND, "gapfill")
    config = row.configs[network_name]()
    if start is None:
        params = row.initial_params(config, seed)
    else:
        params = load_model(start).params
    initial = Model({"name": network_name, "network": KIND, "config": config}, params)
    real, held_out_values = amsr2_parts(amsr2)
    records = [
        TrainingRecord(real, wrap=True, weight=AMSR2_FRACTION, name="amsr2"),
        *simulated_records(truth=truth),
    ]
    sampler = Sampler(records, initial, seed=seed)
    validation = [TrainingRecord(held_out_values, wrap=True, name="amsr2 held out")]
    options: dict[str, Any] = {"patch": 80, "days": 25, "hidden_fraction": (0.05, 0.08)}
    held_out = Sampler(validation, initial, seed=seed + 1, **options)
    samples = [held_out.draw() for _ in range(16)]
    card = {
        "description": DESCRIPTIONS[network_name],
        "licence": "Apache-2.0",
        "network": KIND,
        "config": config,
        "trained_on": {
            "LPRM AMSR2 X band, descending, April 2015 (NASA)": "training regions and days",
            **{
                f"xsm.tutorial {name!r}, seed {seed}": f"fraction {fraction}"
                for name, seed, fraction in SIMULATED
            },
        },
        "training": {
            "steps": steps, "batch_size": batch_size, "seed": seed,
            "learning_rate": learning_rate, "truth": truth,
            "start": None if start is None else load_model(start).identity,
            "hardware": f"{platform.machine()}, {device}", "precision": "bfloat16 convolutions",
        },
    }  # fmt: skip

    def checkpoint(best: dict[str, np.ndarray], curve: Curve) -> None:
        save_model(out, card | {"curve": vars(curve)}, best)

    params, curve = fit_patches(
        initial, sampler, samples,
        steps=steps, batch_size=batch_size, learning_rate=learning_rate, device=device,
        workers=workers, check_every=400, on_check=checkpoint,
    )  # fmt: skip
    further = Sampler(validation, initial, seed=seed + 2, **options)
    calibration = calibrate(initial, params, [further.draw() for _ in range(24)])
    logger.info("calibration: %s", calibration)
    return save_model(out, card | {"curve": vars(curve), "calibration": calibration}, params)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    choices = sorted(network(KIND, "gapfill").configs)
    parser.add_argument("--network", dest="network_name", choices=choices, default="default")
    parser.add_argument("--amsr2", required=True, help="path of the AMSR2 month (NetCDF)")
    parser.add_argument("--out", required=True, help="path of the model to write")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--device", default="cpu", help="of torch, such as cuda")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw samples")
    parser.add_argument("--start", help="model to train further")
    parser.add_argument("--truth", action="store_true", help="learn the truth of simulated records")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
