"""The networks xsm knows, as data for :func:`xsm.networks.partial_conv.partial_conv_network`."""

from __future__ import annotations

from typing import Any

from xsm.networks.features import channels

DAYS = 4  # on each side of the day to fill


def _layer(name: str, inputs: list[str], kernel: tuple[int, int, int], width: int, **more: Any):
    return {
        "name": name,
        "inputs": inputs,
        "kernel": list(kernel),
        "channels": width,
        "activation": "relu",
        **more,
    }


def default(width: int = 32, hidden: int = 96) -> dict[str, Any]:
    """xsm's own: a pyramid of masked means, four 3 x 3 x 3 layers, then a wide head per cell.

    The head also sees the day itself in 5 x 5 cells ("spatial") and the cell's own nine days
    ("temporal"), which a trunk of 3 x 3 x 3 layers blurs.
    """
    scales = [3, 7, 15, 31, 61]
    cube = (3, 3, 3)
    return {
        "features": channels(scales),
        "scales": scales,
        "layers": [
            _layer("near", ["anomaly"], cube, width, activation=None),
            _layer("wide", ["features"], cube, width, residual="near"),
            _layer("trunk1", ["wide"], cube, width),
            _layer("trunk2", ["trunk1"], cube, width, skip="wide"),
            _layer("trunk3", ["trunk2"], cube, width),
            _layer("temporal", ["anomaly"], (9, 1, 1), 32),
            _layer("spatial", ["anomaly"], (1, 5, 5), 32),
            _layer(
                "head1",
                ["trunk3", "wide", "temporal", "spatial", "features"],
                (1, 1, 1),
                hidden,
                mask="trunk3",
            ),
            _layer("head2", ["head1"], (1, 1, 1), 64),
            _layer("output", ["head2"], (1, 1, 1), 2, activation=None),
        ],
    }


def sgd_sm(width: int = 64, depth: int = 6) -> dict[str, Any]:
    """SGD-SM (Zhang et al., 2021): spatial and temporal branch, trunk, output; also log-variance.

    Nine days, 3 x 3 x 3 partial convolutions, ReLU, no normalisation. The paper leaves open where
    time shrinks from nine days to one and how deep the trunk is: here the temporal branch takes
    two days off per layer and the trunk has `depth` layers of `width` channels on one day.
    """
    flat, cube = (1, 3, 3), (3, 3, 3)
    trunk = [
        _layer(f"trunk{i}", [f"trunk{i - 1}"] if i else ["branches"], flat, width)
        for i in range(depth)
    ]
    return {
        "features": channels([1]),
        "scales": [1],
        "layers": [
            _layer("temporal1", ["anomaly"], cube, width // 2),
            _layer("temporal2", ["temporal1"], cube, width // 2),
            _layer("temporal3", ["temporal2"], cube, width // 2),
            _layer("temporal4", ["temporal3"], cube, width // 2),
            _layer("spatial", ["anomaly"], flat, width // 2),
            _layer("branches", ["temporal4", "spatial"], flat, width),
            *trunk,
            _layer("output", [f"trunk{depth - 1}"], flat, 2, activation=None),
        ],
    }


NETWORKS = {"default": default, "sgd-sm": sgd_sm}
