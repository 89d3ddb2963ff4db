"""Fits of learned methods: SAITS and BRITS by PyPOTS, a ConvCNP by DeepSensor.

Each is fitted on a record that holds the training regions and days only, with gaps drawn as for the
networks of xsm, and keeps the parameters with the smallest error on hidden cells of the validation
regions. A fitted method estimates chosen cells of a record.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.skill import holdout
from benchmarks.skill.evaluation_records import EvaluationRecord
from benchmarks.skill.learned_inputs import (
    ANOMALY,
    CONTEXT_DAYS,
    CROP,
    N_FEATURES,
    Anomalies,
    Field,
    Index,
    crop,
    series,
)
from xsm._lazy import optional_import
from xsm.training.loop import cosine_decay
from xsm.training.patches import mixed_gaps, sampled_cells
from xsm.training.splits import day_mask

HIDDEN = (0.04, 0.3)  # range of the fraction hidden in training, as for the networks of xsm
SEED = 0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FittingData:
    """What the methods are fitted on.

    training : (T, H, W), training days, NaN outside the training regions
    validation : (V, H, W), all days but the test days, with hidden cells
    target : (V, H, W), the same with the cells of the validation regions that are scored
    """

    training: Field
    validation: Field
    target: Field
    wrap: bool = True

    @classmethod
    def of(cls, record: EvaluationRecord) -> FittingData:
        """From a record, by the split that all methods share."""
        n_days = record.values.shape[0]
        training = holdout.training_record(record).values[day_mask(n_days, "train")]
        before_test = ~day_mask(n_days, "test")
        hidden = holdout.hide_cells(record, 0, part="val", purpose=holdout.SEARCH)
        visible = hidden.values[before_test]
        target = np.where(hidden.scored[before_test], record.values[before_test], visible)
        return cls(training, visible, target, record.wrap)

    def with_gaps(self, rng: np.random.Generator) -> tuple[Anomalies, Field]:
        """The training record with random gaps, and all its anomalies (T, H, W)."""
        hidden = mixed_gaps(np.isfinite(self.training), rng.uniform(*HIDDEN), rng)
        visible = Anomalies.of(np.where(hidden, np.float32(np.nan), self.training), wrap=self.wrap)
        return visible, _anomalies(self.training, visible)

    def cells(self) -> tuple[Index, Index]:
        """Cells of the training regions with enough observations."""
        row, column = np.nonzero(sampled_cells(self.training))
        return row, column


def _anomalies(record: Field, visible: Anomalies) -> Field:
    """Anomalies of all values from the means of the visible ones."""
    row, column = np.indices(visible.mean.shape)
    mean = visible.absolute(np.zeros_like(visible.mean), row, column)
    return (record - mean) / ANOMALY


@dataclass(frozen=True)
class Size:
    """How much is fitted: series in an epoch, or batches of crops; the rest is of both."""

    epochs: int
    batch: int  # series or crops in a batch
    learning_rate: float = 1e-3  # of Adam; it falls by a cosine
    gap_sets: int = 2  # random sets of gaps
    cells: int = 12_000  # series drawn from each of them
    validation: int = 3_000  # series at most
    batches: int = 60  # of crops, in an epoch; as many crops for validation
    patience: int = 5  # epochs


@dataclass
class SeriesImputer:
    """SAITS or BRITS on series of as many days as the training record has.

    The record to fill may be longer: the last days of it are filled, as many as a series has.
    """

    name: str
    size: Size
    settings: dict[str, Any] = field(default_factory=dict)
    model: Any = None
    n_steps: int = 0

    def fit(self, data: FittingData) -> None:
        """Fit on cells of the training regions."""
        torch = _torch(self.name)
        torch.manual_seed(SEED)
        rng = np.random.default_rng(SEED)
        self.n_steps = data.training.shape[0]
        parts = [self._training_series(data, rng) for _ in range(self.size.gap_sets)]
        inputs = np.concatenate(parts)
        self.model = self._model(self.size.epochs * -(-len(inputs) // self.size.batch))
        self.model.fit({"X": inputs}, self._validation_series(data, rng))
        self.settings |= {
            **dataclasses.asdict(self.size),
            "parameters": int(self.model.num_params),
            "best_epoch": int(self.model.best_epoch),
            "validation_rmse": float(ANOMALY) * float(self.model.best_loss) ** 0.5,
            "series": len(inputs),
        }

    def fill(self, values: Field, where: NDArray[np.bool_], *, wrap: bool) -> tuple[Field, None]:
        """Estimates (N,), m3 m-3, of the cells `where` of the last days of a record."""
        visible = Anomalies.of(values, wrap=wrap)
        row, column = np.nonzero(where.any(axis=0))
        inputs = series(visible, slice(-self.n_steps, None), row, column)
        filled = np.asarray(self.model.impute({"X": inputs}))[:, :, 0]
        record = np.full(values.shape, np.nan, np.float32)
        for day in range(self.n_steps):
            estimate = visible.absolute(filled[:, day].astype(np.float32), row, column)
            record[day - self.n_steps][row, column] = estimate
        return record[where], None

    def _training_series(self, data: FittingData, rng: np.random.Generator) -> Field:
        """Series whose neighbours have gaps; the cell itself shows what the loss asks for."""
        visible, anomalies = data.with_gaps(rng)
        row, column = data.cells()
        chosen = rng.permutation(row.size)[: self.size.cells]
        row, column = row[chosen], column[chosen]
        inputs = series(visible, slice(None), row, column)
        inputs[:, :, 0] = anomalies[:, row, column].T
        return inputs[np.isfinite(inputs[:, 0, -1])]  # cells of which something is visible

    def _validation_series(self, data: FittingData, rng: np.random.Generator) -> dict[str, Field]:
        visible = Anomalies.of(data.validation, wrap=data.wrap)
        days = slice(-self.n_steps, None)
        scored = np.isfinite(data.target[days]) & np.isnan(data.validation[days])
        row, column = np.nonzero(scored.any(axis=0))
        chosen = rng.permutation(row.size)[: self.size.validation]
        row, column = row[chosen], column[chosen]
        inputs = series(visible, days, row, column)
        target = inputs.copy()
        target[:, :, 0] = _anomalies(data.target, visible)[days][:, row, column].T
        return {"X": inputs, "X_ori": target}

    def _model(self, steps: int) -> Any:
        """The network, with a learning rate that falls by a cosine over the steps of the fit."""
        imputation = optional_import("pypots.imputation", self.name, "learned")
        optim = optional_import("pypots.optim", self.name, "learned")
        scheduler = optional_import("pypots.optim.lr_scheduler", self.name, "learned")
        loss = optional_import("pypots.nn.modules.loss", self.name, "learned")
        decay = scheduler.LambdaLR(lambda step: cosine_decay(min(step / steps, 1.0)))
        common = {
            "n_steps": self.n_steps, "n_features": N_FEATURES, "batch_size": self.size.batch,
            "epochs": self.size.epochs, "patience": min(self.size.patience, self.size.epochs),
            "training_loss": _cell_loss(self.name), "validation_metric": loss.MSE,
            "optimizer": optim.Adam(lr=self.size.learning_rate, lr_scheduler=decay),
            "device": "cpu",
        }  # fmt: skip
        if self.name == "brits":
            return imputation.BRITS(rnn_hidden_size=64, **common)
        return imputation.SAITS(
            n_layers=2, d_model=64, n_heads=4, d_k=16, d_v=16, d_ffn=128, dropout=0.1, **common
        )


def _cell_loss(name: str) -> Any:
    """Mean squared error of the cell itself, with a tenth of that of all features."""
    mse = optional_import("pypots.nn.modules.loss", name, "learned").MSE

    class CellMSE(mse):
        def forward(self, logits: Any, targets: Any, masks: Any = None) -> Any:
            cell = [x[..., :1] for x in (logits, targets, masks)]
            return super().forward(*cell) + 0.1 * super().forward(logits, targets, masks)

    return CellMSE


@dataclass
class ConvolutionalProcess:
    """Convolutional conditional neural process on crops of a day and the days beside it."""

    name: str
    size: Size
    settings: dict[str, Any] = field(default_factory=dict)
    model: Any = None
    targets: int = 128  # of a crop in training
    inner: int = 32  # cells square that are filled at once, in the middle of a crop

    def fit(self, data: FittingData) -> None:
        """Fit on crops of the training regions."""
        torch = _torch(self.name)
        torch.manual_seed(SEED)
        rng = np.random.default_rng(SEED)
        np.random.seed(SEED)  # the package permutes tasks by the global generator
        optional_import("deepsensor.torch", self.name, "learned")
        self.model = optional_import("deepsensor.model", self.name, "learned").ConvNP(
            dim_yc=(1,) * (2 * CONTEXT_DAYS + 1) + (2,), dim_yt=1, likelihood="cnp",
            unet_channels=(32, 48, 64, 64), unet_kernels=3, internal_density=32,
            encoder_scales=0.25 / 32, decoder_scale=0.25 / 32,
        )  # fmt: skip
        trainer = optional_import("deepsensor.train", self.name, "learned").Trainer(
            self.model, lr=self.size.learning_rate
        )
        validation = self._validation_tasks(data, rng)
        best, best_epoch, best_rmse = None, 0, np.inf
        for epoch in range(1, self.size.epochs + 1):
            for group in trainer.opt.param_groups:
                group["lr"] = self.size.learning_rate * cosine_decay((epoch - 1) / self.size.epochs)
            losses = trainer(self._training_tasks(data, rng))
            rmse = self._error(validation)
            _log.info("%s, epoch %d: loss %.3f, RMSE %.4f", self.name, epoch, np.mean(losses), rmse)
            if rmse < best_rmse:
                best, best_epoch, best_rmse = copy.deepcopy(self._state()), epoch, rmse
            elif epoch - best_epoch >= self.size.patience:
                break
        self.model.model.load_state_dict(best)
        self.settings |= {
            **dataclasses.asdict(self.size),
            "parameters": sum(p.numel() for p in self.model.model.parameters()),
            "best_epoch": best_epoch,
            "validation_rmse": best_rmse,
            "crops": epoch * self.size.batches * self.size.batch,
        }

    def fill(self, values: Field, where: NDArray[np.bool_], *, wrap: bool) -> tuple[Field, Field]:
        """Mean and standard deviation (N,), m3 m-3, of the cells `where` of a record."""
        visible = Anomalies.of(values, wrap=wrap)
        mean, std = (np.full(values.shape, np.nan, np.float32) for _ in range(2))
        margin = (CROP - self.inner) // 2
        for day in np.flatnonzero(where.any(axis=(1, 2))):
            row, column = np.nonzero(where[day])
            tiles = np.stack([row // self.inner, column // self.inner])
            for y, x in np.unique(tiles, axis=1).T:
                top, left = y * self.inner - margin, x * self.inner - margin
                inside = (tiles[0] == y) & (tiles[1] == x)
                cells = row[inside], column[inside]
                targets = np.stack([cells[0] - top, cells[1] - left])
                task = self._task([crop(visible, int(day), int(top), int(left))], targets[None])
                anomaly, deviation = self._predict(task)
                mean[day][cells] = visible.absolute(anomaly, *cells)
                std[day][cells] = deviation * ANOMALY
        return mean[where], std[where]

    def _state(self) -> Any:
        return self.model.model.state_dict()

    def _predict(self, task: Any) -> tuple[Field, Field]:
        """Mean and standard deviation (N,) of the anomalies of the targets of a single crop."""
        dist = self.model(task)
        return np.atleast_1d(self.model.mean(dist)), np.atleast_1d(self.model.std(dist))

    def _error(self, validation: list[tuple[Any, Field]]) -> float:
        """RMSE of the validation targets, m3 m-3."""
        errors = [self._predict(task)[0] - target for task, target in validation]
        return float(ANOMALY) * float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))

    def _training_tasks(self, data: FittingData, rng: np.random.Generator) -> list[Any]:
        """Batches of crops around hidden cells."""
        visible, anomalies = data.with_gaps(rng)
        hidden = np.isfinite(anomalies) & np.isnan(visible.values)
        centres = np.flatnonzero(hidden)
        tasks = []
        for _ in range(self.size.batches):
            drawn = [self._draw(visible, hidden, centres, rng) for _ in range(self.size.batch)]
            targets = np.stack([target for _, target, _ in drawn])
            values = np.stack([anomalies[index] for _, _, index in drawn])
            tasks.append(self._task([contexts for contexts, _, _ in drawn], targets, values))
        return tasks

    def _draw(
        self,
        visible: Anomalies,
        hidden: NDArray[np.bool_],
        centres: Index,
        rng: np.random.Generator,
    ) -> tuple[tuple[Field, Field], Index, tuple[Index, Index, Index]]:
        """A crop, its targets (2, N) by row and column of the crop, and their place in the record.

        Crops are flipped at random.
        """
        day, y, x = np.unravel_index(rng.choice(centres), hidden.shape)
        top, left = (int(centre - rng.integers(CROP // 4, 3 * CROP // 4)) for centre in (y, x))
        rows = np.arange(max(top, 0), min(top + CROP, hidden.shape[1]))
        columns = left + np.arange(CROP)
        if not visible.wrap:
            columns = columns[(columns >= 0) & (columns < hidden.shape[2])]
        r, c = np.nonzero(hidden[day][np.ix_(rows, columns % hidden.shape[2])])
        chosen = rng.choice(r.size, self.targets, replace=r.size < self.targets)
        r, c = rows[r[chosen]], columns[c[chosen]]
        target = np.stack([r - top, c - left])
        days, cells = crop(visible, int(day), top, left)
        for axis in (0, 1):
            if rng.random() < 0.5:
                days, cells = np.flip(days, axis + 1), np.flip(cells, axis + 1)
                target[axis] = CROP - 1 - target[axis]
        return (days, cells), target, (np.full(r.size, day), r, c % hidden.shape[2])

    def _validation_tasks(
        self, data: FittingData, rng: np.random.Generator
    ) -> list[tuple[Any, Field]]:
        """Crops around hidden cells of the validation regions, and the values of their targets."""
        visible = Anomalies.of(data.validation, wrap=data.wrap)
        anomalies = _anomalies(data.target, visible)
        hidden = np.isfinite(anomalies) & np.isnan(visible.values)
        centres = np.flatnonzero(hidden)
        tasks = []
        for _ in range(self.size.batches):
            contexts, target, index = self._draw(visible, hidden, centres, rng)
            tasks.append((self._task([contexts], target[None]), anomalies[index]))
        return tasks

    def _task(
        self, crops: list[tuple[Field, Field]], targets: Index, values: Field | None = None
    ) -> Any:
        """Task of a batch (B) of crops, with targets (B, 2, N) and, to train, their values (B, N).

        It is made with the batch dimension in place: `concat_tasks` of DeepSensor 0.4.4 gives
        contexts with gaps the opposite mask.
        """
        axis = np.tile(np.arange(CROP, dtype=np.float32) / 32, (len(crops), 1, 1))
        days, cells = (np.stack(parts) for parts in zip(*crops, strict=True))
        contexts = [*(days[:, k, None] for k in range(days.shape[1])), cells]
        return optional_import("deepsensor.data.task", self.name, "learned").Task(
            {
                "time": None,
                "ops": ["batch_dim", "float32"],
                "X_c": [(axis, axis)] * len(contexts),
                "Y_c": contexts,
                "X_t": [(targets / 32).astype(np.float32)],
                "Y_t": None if values is None else [values[:, None].astype(np.float32)],
            }
        )


def _torch(name: str) -> Any:
    """PyTorch on one thread, without numbers so small that a CPU slows down."""
    torch = optional_import("torch", name, "learned")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    return torch


METHODS: dict[str, Any] = {
    "saits": SeriesImputer, "brits": SeriesImputer, "convcnp": ConvolutionalProcess,
}  # fmt: skip
# packages that each needs
PACKAGES = {"saits": "pypots", "brits": "pypots", "convcnp": "deepsensor"}
# 3 to 6 minutes of CPU time each
SIZES = {"saits": Size(24, 128), "brits": Size(12, 256, 2e-3), "convcnp": Size(20, 4)}
