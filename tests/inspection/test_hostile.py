"""Files that are no files, files that never end, and too many of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.images import class_folders, encoded
from tl_keras.config.schema import DataConfig, RuntimeConfig
from tl_keras.data.sources.read import read_source
from tl_keras.inspection import examine as examining

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLK_CACHE", str(tmp_path / "cache"))


def problems(data: Path) -> dict[str, str]:
    found = examining.examine(read_source(DataConfig(source=str(data))).examples, 1e8, RuntimeConfig())
    return {Path(example.path).name: example.problem for example in found.examples if not example.is_used}


@pytest.mark.skipif(os.name == "nt", reason="pipes have no names there")
def test_a_pipe_is_not_waited_for_and_an_endless_file_is_not_read(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    os.mkfifo(data / "red" / "pipe.jpg")
    (data / "red" / "zero.jpg").symlink_to("/dev/zero")
    with (data / "red" / "huge.jpg").open("wb") as file:
        file.truncate(2**40)
    assert problems(data) == {
        "pipe.jpg": "cannot be read: neither a file nor a folder",
        "zero.jpg": "cannot be read: neither a file nor a folder",
        "huge.jpg": "more than 1024 MiB",
    }


@pytest.mark.parametrize("size", [(1, 70_000), (70_000, 1)])
def test_an_image_of_one_row_or_column_is_not_scaled(tmp_path: Path, size: tuple[int, int]) -> None:
    data = class_folders(tmp_path / "data")
    (data / "red" / "long.png").write_bytes(encoded(Image.new("L", size), "PNG"))
    assert problems(data) == {"long.png": "more than 65,535 pixels a side"}


def test_few_files_are_open_at_once(tmp_path: Path) -> None:
    """However many there are, and however often what is known of them is written."""
    data = class_folders(tmp_path / "data", per_class=60)
    program = f"""
import resource
from tl_keras.inspection import examine as examining
from tests.inspection.test_hostile import problems
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
examining.FLUSH_SECONDS, examining.FLUSH_SHARE = 0, 0.2
assert problems(Path({str(data)!r})) == {{}}
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_thousand_folders_below_each_other(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    subprocess.run(["mkdir", "-p", str(data / "red") + "/d" * 1_200], check=True)
    try:
        assert problems(data) == {}
    finally:  # Python's own removal is recursive
        subprocess.run(["rm", "-r", str(data / "red" / "d")], check=True)
