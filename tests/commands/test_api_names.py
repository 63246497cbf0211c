"""The names of `tl_keras`, and what importing them does to the program that does."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tl_keras
from tests.commands.tlk import ROOT

RESULTS = (
    "CrossValidation", "EvaluateResult", "ExportResult", "FinetuneResult", "FitResult", "InspectResult",
    "LrFindResult", "Prediction", "PretrainResult", "RunSummary",
)  # fmt: skip


def python(code: str) -> str:
    """Return what Python code prints, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", sorted({*tl_keras.__all__, "TlkError", "set_verbosity", *RESULTS}))
def test_every_name_is_there(name):
    assert name in tl_keras.__all__
    assert getattr(tl_keras, name) is not None
    assert name in dir(tl_keras)


def test_all_of_them_can_be_imported_at_once():
    assert python("from tl_keras import *; print(fit.__name__, clear_cache.__name__)") == "fit clear_cache"


def test_the_results_are_those_of_the_verbs(finished, photos):
    assert isinstance(next(tl_keras.predict(finished, [photos])), tl_keras.Prediction)
    assert all(isinstance(one, tl_keras.RunSummary) for one in tl_keras.runs(finished.parent))


def test_every_error_of_ours_has_one_root(tmp_path):
    with pytest.raises(tl_keras.TlkError, match="There is no run at"):
        tl_keras.evaluate(tmp_path / "nothing")


def test_the_cache_is_cleared_from_python(monkeypatch, tmp_path):
    monkeypatch.setenv("TLK_CACHE", str(tmp_path))
    assert tl_keras.clear_cache() == 0


def test_what_is_said_on_the_way_can_be_turned_off_and_on(photos, tiny, finished, tmp_path, capfd):
    def said(name: str) -> str:
        capfd.readouterr()
        tl_keras.fit(photos, tiny, name=name, runs_dir=tmp_path)
        assert len(list(tl_keras.predict(finished, [photos]))) == 60
        return str(capfd.readouterr().err)

    try:
        tl_keras.set_verbosity(0)
        assert said("quiet") == ""
    finally:
        tl_keras.set_verbosity(1)
    assert "kept: the weights of epoch" in said("loud")


def test_importing_it_leaves_pillow_and_the_warnings_of_others_alone():
    """What `predict` needs is imported; libraries that set filters of their own are there before."""
    code = (
        "import warnings, click, filelock, numpy, pydantic, rich.console, scipy.sparse, yaml\n"
        "import PIL.Image, PIL.ImageFile\n"
        "def text(part): return getattr(part, 'pattern', part)\n"
        "def state(): return (PIL.Image.MAX_IMAGE_PIXELS, PIL.ImageFile.LOAD_TRUNCATED_IMAGES,\n"
        "    [(one[0], text(one[1]), one[2], text(one[3]), one[4]) for one in warnings.filters])\n"
        "before = state()\n"
        "import tl_keras; tl_keras.predict, tl_keras.inspect\n"
        "after = state()\n"
        "print(*(f'{a} -> {b}' for a, b in zip(before, after) if a != b))"
    )
    assert python(code) == ""


def test_large_images_are_refused_by_us_and_allowed_to_others():
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import io; from PIL import Image; import tl_keras; tl_keras.predict\n"
        "file = io.BytesIO(); Image.new('1', (10_000, 10_000)).save(file, 'PNG')\n"
        "try: Image.open(file).load()\n"
        "except Image.DecompressionBombWarning: print('warned')"
    )
    assert python(code) == "warned"
