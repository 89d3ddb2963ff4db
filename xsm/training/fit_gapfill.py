"""Fit a gap-filling network to a record of one's own: xarray in, model out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.blockwise.tiling import DailyArray
from xsm.conventions.record import open_record
from xsm.errors import InputError
from xsm.options import get_option
from xsm.progress import bar

if TYPE_CHECKING:
    from xsm.networks.block_inference import Model

PATCH, DAYS = 40, 15
HOLD_OUT_BOX = 10  # cells
HOLD_OUT = 0.15  # share of the boxes
LEAST = 2000  # observations that are worth a fit


def fit_gapfill(
    obj: xr.Dataset | xr.DataArray,
    path: str | Path | None = None,
    *,
    var: str | None = None,
    start: str | Path | Model = "default",
    steps: int = 300,
    rate: float = 5e-4,
    batch: int = 2,
    seed: int = 0,
    device: str = "cpu",
    progress: bool | None = None,
) -> Model:
    """Fine-tune a gap-filling network on a record, which is its own teacher.

    Observed cells are hidden in the forms that gaps have, and the network learns to find them
    again, as SGD-SM came to be (Zhang et al., 2021, doi 10.5194/essd-13-1385-2021). A seventh of
    the record, in boxes of 10 x 10 cells, is held out; the parameters that do best there are kept
    and the uncertainty is calibrated there.

    Parameters
    ----------
    obj : Dataset or DataArray
        As for :func:`xsm.gapfill`. Loaded into memory.
    path : str or Path, optional
        Where to save the model (``.safetensors`` and ``.json``); it then works as
        ``gapfill(model=path)``.
    var : str, optional
        The variable, where neither a standard name nor a known product tells.
    start : str, Path or Model
        The model to go on from.
    steps : int
        Training steps of `batch` patches each; 300 take some minutes on two cores.
    rate : float
        Peak learning rate of AdamW.
    batch, seed : int
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
        If there is too little to learn from, or an argument is out of range; and what
        :func:`xsm.gapfill` raises for the record.
    ImportError
        If torch is not installed.

    Examples
    --------
    >>> model = xsm.fit_gapfill(ds, "mine")      # doctest: +SKIP
    >>> filled = ds.sm.gapfill(model="mine")     # doctest: +SKIP
    """
    for name, number in (("steps", steps), ("batch", batch), ("rate", rate)):
        if not number > 0:
            raise InputError(f"{name}={number!r}: expected a number above 0.")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError("fit_gapfill needs torch: pip install 'xsm[torch]'.") from error
    from xsm.networks.model import load_model, make_model, save_model
    from xsm.training.calibration import calibrate
    from xsm.training.gapfill_loop import fit
    from xsm.training.patches import Record, Sampler

    base = load_model(start)
    records, title, wrap = _records(obj, var)
    parts = [_held_out(values, seed + i) for i, values in enumerate(records)]
    size = {"patch": min(PATCH, *records[0].shape[1:]), "days": min(DAYS, records[0].shape[0])}
    sampler = Sampler([Record(train, wrap=wrap) for train, _ in parts], base, seed=seed, **size)
    unseen = Sampler([Record(held, wrap=wrap) for _, held in parts], base, seed=seed + 1, **size)
    samples = [unseen.draw() for _ in range(24)]
    with bar("fit", steps, get_option("progress", progress), "step") as shown:

        def on_step(step: int, running: float) -> None:
            shown.set_postfix_str(f"rmse {running:.4f} m3 m-3", refresh=False)
            shown.update()

        params, curve = fit(
            base.params, base.config, sampler, samples[:12],
            steps=steps, batch=batch, rate=rate, device=device,
            check_every=max(steps // 6, 1), on_step=on_step,
        )  # fmt: skip
    card: dict[str, Any] = {
        "description": f"fine-tuned on {title}",
        "licence": "that of the data",
        "network": base.card.get("network", "partial_conv"),
        "config": base.config,
        "trained_on": {title: "self-supervised", "before": base.identity},
        "training": {"steps": steps, "batch": batch, "rate": rate, "seed": seed},
        "curve": vars(curve),
        "calibration": calibrate(params, base.config, samples[12:]),
    }
    if path is not None:
        return save_model(path, card, params)
    return make_model("fitted", card, params)


def _records(obj: Any, var: str | None) -> tuple[list[np.ndarray], str, bool]:
    """Records (T, H, W), m3 m-3, all days; what they are; whether columns close."""
    record = open_record(obj, var, consecutive=True)
    data, factor = record.da.values, record.variable.to_m3m3_factor
    records = []
    for index in np.ndindex(data.shape[:-3]):
        every_day = DailyArray(data[index], factor, record.axis.numbers, record.layout.wrap)
        records.append(every_day.read(tuple(slice(0, n) for n in every_day.shape)))  # type: ignore[arg-type]
    seen = sum(int(np.isfinite(values).sum()) for values in records)
    if seen < LEAST:
        raise InputError(
            f"{record.name} has {seen} observations: expected {LEAST} or more to learn from. "
            "Use the shipped network, or a longer record."
        )
    first, last = (str(record.time.values[i])[:10] for i in (0, -1))
    return records, f"{record.name}, {first} to {last}", record.layout.wrap


def _held_out(values: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The part to train on and the part to check with, each NaN where the other is."""
    rng = np.random.default_rng(seed)
    boxes = rng.random([-(-n // HOLD_OUT_BOX) for n in values.shape[1:]]) < HOLD_OUT
    boxes.flat[rng.integers(boxes.size)] = True
    held = np.kron(boxes, np.ones((HOLD_OUT_BOX, HOLD_OUT_BOX), bool))
    held = held[: values.shape[1], : values.shape[2]]
    nan = np.float32(np.nan)
    return np.where(held, nan, values), np.where(held, values, nan)
