"""`tlk inspect`."""

from __future__ import annotations

from pathlib import Path

import click

import tl_keras
from tl_keras.cli.options import DATA_DIR, DEBUG, JSON, NETWORK, Asked, require_data, setting, settings

FOUND_ERRORS = 3


@click.command(short_help="Look for broken, copied, leaking and mislabeled images.")
@click.argument("data", required=False)
@settings(
    *NETWORK,
    setting("--weights", "model.weights", "For --labels: as for tlk fit."),
    setting("--task", "data.task", "multiclass or multilabel."),
    setting("--group-by", "data.group_by", "Images whose paths match this expression alike belong together."),
    setting("--exclude", "data.exclude", "An edited issues.csv: what it leaves out is not inspected."),
    DATA_DIR,
)
@click.option("--labels", is_flag=True, help="Also look for labels that are probably wrong.")
@click.option(
    "--issues",
    type=click.Path(path_type=Path),
    help="Where the table of findings goes; issues.csv when left out.",
)
@click.option("--sheet", type=click.Path(path_type=Path), help="Draw the worst findings, e.g. sheet.png.")
@click.option("--overwrite", is_flag=True, help="Replace --issues and --sheet.")
@JSON
@DEBUG
def inspect(
    asked: Asked,
    data: str | None,
    labels: bool,
    issues: Path | None,
    sheet: Path | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Look at every image before anything is trained on it. Nothing is deleted, moved or changed.

    DATA is what tlk fit takes. Every finding is a row of issues.csv, a table that you may edit and give to
    tlk fit --exclude: write exclude, or relabel, into its column action.

    The exit code is 3 if there is anything that should be mended first, else 0.
    """
    from tl_keras.cli.output.inspection import print_inspection

    config = asked.config()
    require_data(data, config, "inspect")
    found = tl_keras.inspect(data, config, labels=labels, issues=issues, sheet=sheet, overwrite=overwrite)
    print_inspection(found, as_json=as_json)
    return FOUND_ERRORS if found.inspection.severities["error"] else 0
