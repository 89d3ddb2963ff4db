"""The program ``xsm``: its arguments, and its exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from xsm._version import __version__
from xsm.errors import XsmError

EPILOG = """\
Exit codes: 0 done; 1 the input was refused, and the message says why; 2 wrong arguments;
130 interrupted. Run an interrupted command again: a Zarr store is resumed.
XSM_DEBUG=1 logs which kernel runs each operation. Site: https://xsm.readthedocs.io
"""
# those of xsm.metrics.scaling, which is not imported for the help
SCALING_METHODS = ("mean_std", "min_max", "linear", "cdf", "cdf_linear_tails", "cdf_beta")
DEVICE = "device of torch, such as cuda (default: this CPU, without torch)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code of the process."""
    parsed = parser().parse_args(arguments)
    from xsm.command_line.commands import COMMANDS

    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        return COMMANDS[parsed.command](parsed)
    except XsmError as error:
        sys.stderr.write(f"xsm {parsed.command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"xsm {parsed.command}: interrupted; run it again to go on\n")
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="xsm",
        description="Fill, estimate and validate records of satellite soil moisture.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"xsm {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_gapfill, _estimate, _validate, _check, _models, _products, _bench):
        add(commands)
    return top


def _command(commands: argparse._SubParsersAction, name: str, text: str, example: str):
    return commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=f"example: xsm {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _gapfill(commands) -> None:
    one = _command(
        commands,
        "gapfill",
        "fill the gaps of a daily record, with an uncertainty and a flag for each filled value",
        "SMAP/ -o filled.zarr --max-gap 10D",
    )
    _record(one)
    _output(one)
    one.add_argument("--model", default="default", help="shipped model, or path of your own")
    one.add_argument("--max-gap", metavar="SPAN", help="leave longer gaps empty, such as 10D")
    one.add_argument("--land", help="'globe', or a variable that is true on land")
    one.add_argument(
        "--fallback", choices=["climatology"], help="fill what no observation within reach allows"
    )
    one.add_argument(
        "--no-calibration", action="store_true", help="the network alone, not compared with others"
    )
    one.add_argument("--device", help=DEVICE)


def _estimate(commands) -> None:
    one = _command(
        commands,
        "estimate",
        "estimate daily soil moisture from predictors without gaps, by a model fitted before",
        "era5.nc albedo.nc static.nc -o estimate.zarr --model mine",
    )
    one.add_argument("files", nargs="+", help="files of predictors: NetCDF, folder or Zarr store")
    _output(one)
    one.add_argument("--model", default="default", help="shipped model, or path of your own")
    one.add_argument(
        "--feature",
        action="append",
        type=predictor_name,
        metavar="PREDICTOR=VARIABLE",
        help="name of a predictor here",
    )
    one.add_argument("--mask-frozen", action="store_true", help="leave frozen days empty")
    one.add_argument("--regrid", choices=["nearest", "linear"], help="predictors on other grids")
    one.add_argument("--device", help=DEVICE)


def _validate(commands) -> None:
    one = _command(
        commands,
        "validate",
        "score a record against stations, a product, both (triple collocation) or simulated gaps",
        "filled.nc --stations sites.csv --report report.html",
    )
    _record(one)
    one.add_argument("--stations", nargs="+", metavar="TABLE", help="tables of stations (CSV)")
    one.add_argument(
        "--metadata", metavar="TABLE", help="positions and depths of stations, where TABLE has none"
    )
    one.add_argument("--ismn", nargs="+", metavar="PATH", help="archives or folders of the ISMN")
    one.add_argument(
        "--reference",
        nargs="+",
        action="append",
        metavar="FILES",
        help="files of another product, on a grid; twice for two products",
    )
    one.add_argument("--metrics", nargs="+", help="such as bias ubrmsd pearson_r")
    one.add_argument("--by", nargs="+", help="strata, such as season network")
    one.add_argument("--scaling", choices=SCALING_METHODS)
    one.add_argument("--anomalies", choices=["moving_window", "climatology"])
    one.add_argument("--ci", action="store_true", help="confidence intervals")
    one.add_argument("-o", "--output", type=Path, help="scores as .nc")
    one.add_argument("--overwrite", action="store_true", help="replace the output")
    one.add_argument("--report", type=Path, metavar="HTML", help="report as one HTML page")


def _check(commands) -> None:
    one = _command(
        commands,
        "check",
        "list what would be refused or is doubtful, before anything is computed",
        "SMAP/",
    )
    _record(one)


def _models(commands) -> None:
    one = _command(
        commands, "models", "list the shipped models, or show the card of one", "default"
    )
    one.add_argument("name", nargs="?", help="name of a model")


def _products(commands) -> None:
    one = _command(
        commands, "products", "list the known products, or the quality rules of one", "smap_l3"
    )
    one.add_argument("key", nargs="?", help="key of a product")


def _bench(commands) -> None:
    one = _command(
        commands, "bench", "measure gap filling on this machine, on simulated data", "--repeat 3"
    )
    one.add_argument("--dataset", default="amsr2-iberia", help="name of a tutorial dataset")
    one.add_argument("--days", type=int, help="length of the record")
    one.add_argument("--repeat", type=positive, default=3, help="measurements (default 3)")


def _record(one: argparse.ArgumentParser) -> None:
    """Arguments of commands that open a record."""
    one.add_argument("files", nargs="+", help="files, folders, globs, zip archives or Zarr stores")
    one.add_argument("--product", help="key of the product, see xsm products (default: recognised)")
    one.add_argument("--var", help="soil-moisture variable, where there are several")
    one.add_argument("--overpass", choices=["AM", "PM", "both"], help="of products that have two")
    one.add_argument(
        "--quality",
        choices=["recommended", "none"],
        default="recommended",
        help="quality flags to apply (default: those that the guide of the product recommends)",
    )


def _output(one: argparse.ArgumentParser) -> None:
    """Arguments of commands that write a large result."""
    one.add_argument(
        "-o", "--output", type=Path, required=True, help=".zarr (resumable, any size) or .nc"
    )
    one.add_argument(
        "--chunks",
        type=chunk_sizes,
        metavar="DIM=SIZE,...",
        help="what is in memory at a time, such as time=30 or time=all,lat=100,lon=100",
    )
    one.add_argument("--overwrite", action="store_true", help="replace the output")


def chunk_sizes(text: str) -> dict[str, int]:
    """Sizes of chunks from ``time=30,lat=100``; -1 or ``all`` is the whole dimension.

    >>> chunk_sizes("time=all,lat=100")
    {'time': -1, 'lat': 100}
    """
    sizes = {}
    for part in text.split(","):
        dim, _, size = map(str.strip, part.partition("="))
        if not dim or size not in ("all", "-1") and not (size.isdecimal() and int(size)):
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected dimensions and sizes, such as time=30,lat=100 or time=all"
            )
        sizes[dim] = -1 if size == "all" else int(size)
    return sizes


def positive(text: str) -> int:
    """A number from 1.

    >>> positive("3")
    3
    """
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1")
    return int(text)


def predictor_name(text: str) -> tuple[str, str]:
    """Predictor and variable from ``predictor=variable``.

    >>> predictor_name("lst=skt")
    ('lst', 'skt')
    """
    predictor, _, variable = map(str.strip, text.partition("="))
    if not (predictor and variable):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a predictor and the name of its variable, such as lst=skt"
        )
    return predictor, variable
