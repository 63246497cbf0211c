"""Every image is opened once; what is wrong with it is written down."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.tlk import heed_interrupts
from tests.images import class_folders, encoded, noisy_image
from tl_keras.core.geometry import Geometry
from tl_keras.data.decode_examples import check
from tl_keras.data.example import Example
from tl_keras.errors import SkipReason

GEOMETRY = Geometry(16, 16)


def test_hashes_and_problems_in_the_order_given(tmp_path: Path) -> None:
    good, empty, text = tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "c.jpg"
    good.write_bytes(encoded(noisy_image(1)))
    empty.write_bytes(b"")
    text.write_bytes(b"<html>")
    paths = [good, empty, tmp_path / "none.jpg", text] * 20
    found = check([Example(str(path), "x", "val") for path in paths], GEOMETRY)
    assert [example.path for example in found] == [str(path) for path in paths]
    assert {example.split for example in found} == {"val"}
    assert [example.problem for example in found[:4]] == [
        "",
        "empty file",
        "file not found",
        "not a JPEG, PNG, BMP, GIF or WebP image",
    ]
    assert found[0].sha256 == hashlib.sha256(good.read_bytes()).hexdigest()
    assert found[2].sha256 == ""
    assert found[3].sha256 == hashlib.sha256(b"<html>").hexdigest()


def test_an_earlier_problem_is_forgotten_when_the_file_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(noisy_image(1)))
    assert check([Example(str(path), "x", skipped=SkipReason.EMPTY)], GEOMETRY)[0].is_used


def test_progress_is_reported_from_this_thread(tmp_path: Path) -> None:
    paths = class_folders(tmp_path).glob("*/*")
    calls: list[tuple[int, int]] = []
    check(
        [Example(str(path), "x") for path in paths],
        GEOMETRY,
        lambda n: calls.append((n, threading.get_ident())),
    )
    assert calls == [(1, threading.get_ident())] * 16


def test_no_more_than_a_few_images_are_in_flight(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(noisy_image(1)))
    drawn, done, ahead = 0, 0, []

    def examples() -> Iterator[Example]:
        nonlocal drawn
        for _ in range(2_000):
            drawn += 1
            ahead.append(drawn - done)
            yield Example(str(path), "x")

    def on_progress(count: int) -> None:
        nonlocal done
        done += count

    assert len(check(examples(), GEOMETRY, on_progress)) == 2_000
    assert max(ahead) <= 128


def test_nothing_to_check() -> None:
    assert check([], GEOMETRY) == []


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_an_interrupt_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noisy_image(1, (1500, 1500)), "PNG", compress_level=1))
    program = (
        "from tl_keras.data.decode_examples import check, Example, Geometry\n"
        f"check([Example({str(path)!r}, 'x')] * 100_000, Geometry(16, 16), lambda n: print('go', flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.strip().endswith("KeyboardInterrupt")
