"""Train the shipped gap-filling networks: ``make train-gapfill``.

Two sources: a month of real AMSR2 retrievals, of which regions and days are held out
(:mod:`xsm.training.splits`), and simulated Earths (:mod:`xsm.osse`) that no evaluation uses.
"""

from __future__ import annotations

import argparse
import logging
import platform
from pathlib import Path

import numpy as np
import xarray as xr

from xsm.networks.model import Model, load_model, save_model
from xsm.networks.partial_conv import initial_params
from xsm.networks.registry import network as find_network
from xsm.training.calibration import calibrate
from xsm.training.gapfill_loop import fit
from xsm.training.patches import Record, Sampler
from xsm.training.splits import day_mask, region_mask

logger = logging.getLogger(__name__)

SIMULATED = (  # name, seed, share of the samples; seed 0 is left to evaluation and to users
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
    train, known = days["train"], days["train"] | days["val"]
    return (
        np.where(region_mask(lat, lon, "train"), values[train], nan),
        np.where(region_mask(lat, lon, "val"), values[known], nan),
    )


def simulated_records(*, truth: bool) -> list[Record]:
    """Records of simulated Earths, with gaps and noise as the sensors make them.

    With `truth`, what is to be learnt is the field without noise, else the hidden retrieval.
    """
    from xsm.osse.tutorial import open_dataset

    records = []
    for name, seed, share in SIMULATED:
        ds = open_dataset(name, seed=seed, truth=truth, covariates=False)
        known = ds["soil_moisture_truth"].values if truth else None
        wrap = name == "global-month"
        values = ds["soil_moisture"].values
        records.append(Record(values, truth=known, wrap=wrap, share=share, name=name))
    return records


def train(
    network: str,
    amsr2: str | Path,
    out: str | Path,
    *,
    steps: int,
    batch: int = 2,
    seed: int = 0,
    start: str | None = None,
    truth: bool = False,
    rate: float = 2e-3,
    device: str = "cpu",
    workers: int = 0,
) -> Model:
    """Train a network and save it with its card.

    Parameters
    ----------
    network : {"default", "sgd-sm"}
    amsr2 : path of the AMSR2 month
    out : path of the model to write
    steps, batch, seed, rate, device, workers
        As in :func:`xsm.training.gapfill_loop.fit`.
    start : str, optional
        A model to go on from, by name or path.
    truth : bool
        Learn the truth of simulated records instead of their hidden retrievals.

    Returns
    -------
    Model
    """
    config = find_network("partial_conv", "gapfill").configs[network]()
    params = initial_params(config, seed) if start is None else load_model(start).params
    blank = Model({"name": network, "config": config}, params)
    real, unseen = amsr2_parts(amsr2)
    records = [Record(real, wrap=True, share=0.75, name="amsr2"), *simulated_records(truth=truth)]
    sampler = Sampler(records, blank, seed=seed)
    validation = [Record(unseen, wrap=True, name="amsr2 held out")]
    held_out = Sampler(validation, blank, patch=80, days=25, hidden=(0.05, 0.08), seed=seed + 1)
    samples = [held_out.draw() for _ in range(16)]
    card = {
        "description": DESCRIPTIONS[network],
        "licence": "Apache-2.0",
        "network": "partial_conv",
        "config": config,
        "trained_on": {
            "LPRM AMSR2 X band, descending, April 2015 (NASA)": "training regions and days",
            **{f"xsm.osse.tutorial {name!r}, seed {seed}": f"share {s}" for name, seed, s in SIMULATED},
        },
        "training": {
            "steps": steps, "batch": batch, "seed": seed, "rate": rate, "truth": truth,
            "start": None if start is None else load_model(start).identity,
            "hardware": f"{platform.machine()}, {device}", "precision": "bfloat16 convolutions",
        },
    }  # fmt: skip

    def checkpoint(best, curve):
        save_model(out, card | {"curve": vars(curve)}, best)

    params, curve = fit(
        params, config, sampler, samples,
        steps=steps, batch=batch, rate=rate, device=device, workers=workers,
        check_every=400, on_check=checkpoint,
    )  # fmt: skip
    more = Sampler(validation, blank, patch=80, days=25, hidden=(0.05, 0.08), seed=seed + 2)
    calibration = calibrate(params, config, [more.draw() for _ in range(24)])
    logger.info("calibration: %s", calibration)
    return save_model(out, card | {"curve": vars(curve), "calibration": calibration}, params)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--network",
        choices=sorted(find_network("partial_conv", "gapfill").configs),
        default="default",
    )
    parser.add_argument("--amsr2", required=True, help="path of the AMSR2 month (NetCDF)")
    parser.add_argument("--out", required=True, help="path of the model to write")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--device", default="cpu", help="of torch, such as cuda")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw samples")
    parser.add_argument("--start", help="model to go on from")
    parser.add_argument("--truth", action="store_true", help="learn the truth of simulated records")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
