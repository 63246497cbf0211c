"""From a command line to settings."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from tl_keras.cli.main import tlk
from tl_keras.cli.options import NETWORK, Asked, setting, settings


@click.command()
@settings(
    *NETWORK, setting("--epochs", "train.epochs", "At most.", int), setting("--seed", "runtime.seed", ".")
)
def command(_asked: Asked) -> None:
    """Take some of the options."""


def asked(*arguments: str) -> Asked:
    """Return what the command is handed."""
    found = []
    shown = click.Command("shown", params=command.params, callback=settings()(found.append))
    done = CliRunner().invoke(shown, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    return found[0]


@pytest.mark.parametrize("name", list(tlk.commands))
def test_no_two_options_of_a_command_share_a_name(name):
    names = [option.name for option in tlk.commands[name].params if option.name != "form"]  # --json or --csv
    assert len(set(names)) == len(names)


def test_options_that_were_not_given_are_not_settings():
    assert asked() == Asked()


def test_zero_is_a_value():
    assert asked("--epochs", "0").options == {"train.epochs": 0}


def test_options_win_over_set_and_set_over_the_file(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("train: {epochs: 1, batch_size: 2}\nruntime: {seed: 3}\n")
    given = asked(
        "--config", str(file), "--set", "train.epochs=4", "--set", "train.batch_size=5", "--epochs", "6"
    )
    config = given.config()
    assert (config.train.epochs, config.train.batch_size, config.runtime.seed) == (6, 5, 3)


def test_options_of_the_backbone_add_up_and_are_values():
    config = asked("--backbone-option", "alpha=0.35", "--backbone-option", "depth_multiplier=1").config()
    assert config.model.options == {"alpha": 0.35, "depth_multiplier": 1}


def test_settings_of_one_section_can_be_meant_for_another():
    given = Asked(options={"train.epochs": 3, "runtime.seed": 1}).moved("train", "finetune")
    assert given.options == {"finetune.epochs": 3, "runtime.seed": 1}


def test_the_same_as_arguments_of_another_command():
    given = asked("--config", "a b.yaml", "--set", "head=auto", "--epochs", "6")
    assert given.arguments() == ["--config", "a b.yaml", "--set", "head=auto", "--set", "train.epochs=6"]


@pytest.mark.parametrize("wrong", [("--epochs", "many"), ("--nothing", "1")])
def test_what_does_not_fit_is_a_usage_error(wrong):
    assert CliRunner().invoke(command, wrong).exit_code == 2
