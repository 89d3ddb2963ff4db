"""Fit a gap-filling network to a record: xarray in, model out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_whole
from xsm.blockwise.tiling import DailyArray
from xsm.conventions.filled import observed_values
from xsm.conventions.record import gridded_record
from xsm.errors import InputError
from xsm.options import get_option
from xsm.progress import bar

if TYPE_CHECKING:
    from xsm.networks.model import Model

PATCH, DAYS = 40, 15
HELD_OUT_BOX = 10  # cells
HELD_OUT_FRACTION = 0.15  # of the boxes
HELD_OUT_SAMPLES = 24  # half of them for the checks, half for the calibration
MIN_OBSERVATIONS = 2000  # of the record
MIN_HELD_OUT = 50  # observations of the held-out part


def fit_gapfill(
    obj: xr.Dataset | xr.DataArray,
    path: str | Path | None = None,
    *,
    var: str | None = None,
    start: str | Path | Model = "default",
    steps: int = 300,
    learning_rate: float = 5e-4,
    batch_size: int = 2,
    seed: int = 0,
    device: str = "cpu",
    progress: bool | None = None,
) -> Model:
    """Fine-tune a gap-filling network on a record, by self-supervision.

    Observed cells are hidden in the patterns of real gaps, and the network learns to estimate
    them, as for SGD-SM (Zhang et al., 2021, doi 10.5194/essd-13-1385-2021). About a seventh of the
    record is held out, in boxes of 10 x 10 cells, or smaller ones on a small grid. The parameters
    with the smallest error there are returned, and the uncertainty is calibrated there.

    Parameters
    ----------
    obj : Dataset or DataArray
        As for :func:`xsm.gapfill`; of a filled one the observed values. Loaded into memory.
    path : str or Path, optional
        Where to save the model (``.safetensors`` and ``.json``), for ``gapfill(model=path)``.
    var : str, optional
        Name of the variable, if it has no standard name and is not that of a known product.
    start : str, Path or Model
        Model to train further.
    steps : int
        Training steps of `batch_size` patches each; 300 take some minutes on two cores.
    learning_rate : float
        Peak learning rate of AdamW.
    batch_size, seed : int
    device : str
        Device of torch, such as ``"cuda"``.
    progress : bool, optional
        Show a progress bar; default on a terminal.

    Returns
    -------
    Model
        Its card holds the training curve, the calibration and what it was trained on.

    Raises
    ------
    InputError
        If there are too few observations, or an argument is out of range; and the errors of
        :func:`xsm.gapfill` for the record.
    ModelError
        If `path` is the bare name of a shipped model, or `start` is no gap-filling model.
    MissingPackageError
        If torch is not installed.

    Examples
    --------
    >>> model = xsm.fit_gapfill(ds, "mine")      # doctest: +SKIP
    >>> filled = ds.sm.gapfill(model="mine")     # doctest: +SKIP
    """
    from xsm.networks.device import torch_device
    from xsm.networks.model import load_model, make_model, model_path, save_model
    from xsm.training.calibration import calibrate
    from xsm.training.ensemble import check_ranges
    from xsm.training.patch_fit import fit_patches
    from xsm.training.patches import Sampler, TrainingRecord

    check_whole({"steps": (steps, 1), "batch_size": (batch_size, 1), "seed": (seed, 0)})
    check_ranges({"learning_rate": learning_rate})
    if path is not None:
        model_path(path)
    base = load_model(start, "gapfill")
    base.network.import_for_training()
    torch_device(device)
    records, title, wrap = _records(obj, var)
    parts = [hold_out(values, seed + i, title) for i, values in enumerate(records)]
    size = {"patch": min(PATCH, *records[0].shape[1:]), "days": min(DAYS, records[0].shape[0])}
    training, held_out = (
        [TrainingRecord(values, wrap=wrap) for values in side] for side in zip(*parts, strict=True)
    )
    sampler = Sampler(training, base, seed=seed, **size)
    held_out_sampler = Sampler(held_out, base, seed=seed + 1, **size)
    samples = [held_out_sampler.draw() for _ in range(HELD_OUT_SAMPLES)]
    half = HELD_OUT_SAMPLES // 2
    with bar("fit", steps, get_option("progress", progress), "step") as progress_bar:

        def on_step(_step: int, rmse: float) -> None:
            progress_bar.set_postfix_str(f"RMSE {rmse:.4f} m3 m-3", refresh=False)
            progress_bar.update()

        params, curve = fit_patches(
            base, sampler, samples[:half],
            steps=steps, batch_size=batch_size, learning_rate=learning_rate, device=device,
            check_every=max(steps // 6, 1), on_step=on_step,
        )  # fmt: skip
    card: dict[str, Any] = {
        "description": f"fine-tuned on {title}",
        "licence": "that of the data",
        "network": base.kind,
        "config": base.config,
        "trained_on": {title: "self-supervised", "before": base.identity},
        "training": {
            "steps": steps, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed,
        },
        "curve": vars(curve),
        "calibration": calibrate(base, params, samples[half:]),
    }  # fmt: skip
    if path is not None:
        return save_model(path, card, params)
    return make_model("fitted", card, params)


def _records(obj: Any, var: str | None) -> tuple[list[NDArray[np.float32]], str, bool]:
    """Records (T, H, W) with all days, m3 m-3; their title; whether columns go around the globe."""
    record = gridded_record(obj, var, consecutive=True)
    observed = observed_values(record.da, record.ds)
    data, factor = record.variable.valid(observed.values), record.variable.to_m3m3_factor
    records = []
    for index in np.ndindex(data.shape[:-3]):
        every_day = DailyArray(data[index], factor, record.axis.numbers, record.layout.wrap)
        whole = tuple(slice(0, n) for n in every_day.shape)
        records.append(every_day.read(whole))  # type: ignore[arg-type]
    count = sum(int(np.isfinite(values).sum()) for values in records)
    if count < MIN_OBSERVATIONS:
        raise InputError(
            f"{record.name} has {count} observations: expected {MIN_OBSERVATIONS} or more to learn "
            "from. Use the shipped network, or a longer record."
        )
    first, last = (str(record.time.values[i])[:10] for i in (0, -1))
    return records, f"{record.name}, {first} to {last}", record.layout.wrap


def hold_out(
    values: NDArray[np.float32], seed: int, title: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split a record into a training part and a held-out part, each NaN where the other is.

    Boxes are drawn at random. If they leave one of the parts without observations, because the
    grid is small or they cover only sea, one box with many observations is held out instead; boxes
    are smaller where all observations are in one.

    Parameters
    ----------
    values : ndarray, (T, H, W)
    seed : int
    title : str
        Of the record, for messages.

    Raises
    ------
    InputError
        If no part can be held out, because fewer than two cells have enough observations.
    """
    from xsm.training.patches import sampled_cells

    rng = np.random.default_rng(seed)
    boxes = rng.random(_box_grid(values, HELD_OUT_BOX)) < HELD_OUT_FRACTION
    boxes.flat[rng.integers(boxes.size)] = True
    usable = sampled_cells(values)
    observations = np.isfinite(values).sum(axis=0) * usable
    held_out = _cells(boxes, HELD_OUT_BOX, usable.shape)
    if observations[held_out].sum() < MIN_HELD_OUT or not usable[~held_out].any():
        held_out = _one_box(observations, rng, title)
    nan = np.float32(np.nan)
    return np.where(held_out, nan, values), np.where(held_out, values, nan)


def _one_box(
    observations: NDArray[np.integer], rng: np.random.Generator, title: str
) -> NDArray[np.bool_]:
    """Cells of one box, drawn among those with many observations, such that others remain."""
    for side in (HELD_OUT_BOX, HELD_OUT_BOX // 2, 2, 1):
        counts = _box_counts(observations, side)
        if np.count_nonzero(counts) > 1:
            candidates = np.flatnonzero(counts >= counts[counts > 0].mean())
            box = np.zeros(counts.shape, bool)
            box.flat[rng.choice(candidates)] = True
            return _cells(box, side, observations.shape)
    raise InputError(
        f"{title}: {np.count_nonzero(observations)} cells have enough observations to learn from, "
        "expected 2 or more, so that one can be held out. Use a larger or a longer record."
    )


def _box_grid(values: NDArray[Any], side: int) -> list[int]:
    """Number of boxes in both directions of (..., H, W)."""
    return [-(-n // side) for n in values.shape[-2:]]


def _cells(boxes: NDArray[np.bool_], side: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Cells (H, W) inside the chosen boxes."""
    cells = np.kron(boxes, np.ones((side, side), bool))
    return cells[: shape[0], : shape[1]]


def _box_counts(counts: NDArray[np.integer], side: int) -> NDArray[np.integer]:
    """Sums of counts (H, W) over boxes."""
    rows, columns = _box_grid(counts, side)
    height, width = counts.shape
    padded = np.pad(counts, ((0, rows * side - height), (0, columns * side - width)))
    return padded.reshape(rows, side, columns, side).sum(axis=(1, 3))
