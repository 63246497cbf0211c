"""The Python API: the commands' names, loaded when first used."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tl_keras
from tl_keras.cli.main import tlk

ROOT = Path(__file__).resolve().parents[1]
RESULTS = (
    "CrossValidation", "EvaluateResult", "ExportResult", "FinetuneResult", "FitResult", "InspectResult",
    "LrFindResult", "Prediction", "PretrainResult", "RunSummary",
)  # fmt: skip


def python(code: str) -> str:
    """Return what Python code prints, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_command_is_a_function():
    for name in tlk.commands:
        assert callable(getattr(tl_keras, name.replace("-", "_")))


@pytest.mark.parametrize("name", sorted({*tl_keras.__all__, "TlkError", "set_verbosity", *RESULTS}))
def test_every_name_is_there(name):
    assert name in tl_keras.__all__
    assert getattr(tl_keras, name) is not None
    assert name in dir(tl_keras)


def test_all_of_them_can_be_imported_at_once_and_stay_when_the_room_of_their_name_is_imported():
    code = (
        "from tl_keras import *; import tl_keras.runs.folder; print(fit.__name__, tl_keras.runs('nowhere'))"
    )
    assert python(code) == "fit []"


def test_every_error_of_ours_is_there():
    for module in pkgutil.walk_packages(tl_keras.__path__, "tl_keras."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    names = {error.__name__ for error in below(tl_keras.TlkError)}
    assert names <= set(tl_keras.__all__)


def below(error: type) -> set[type]:
    return {error}.union(*(below(child) for child in error.__subclasses__()))


def test_importing_the_package_imports_nothing_heavy():
    names = "{'tensorflow', 'keras', 'numpy', 'pydantic', 'rich'}"
    assert python(f"import sys, tl_keras; print({names} & set(sys.modules))") == "set()"


def test_errors_and_listings_need_no_tensorflow():
    code = "import sys, tl_keras; tl_keras.TlkError, tl_keras.RunSummary, tl_keras.runs('nowhere')"
    assert python(f"{code}; print('tensorflow' in sys.modules)") == "False"


def test_type_checkers_see_the_types():
    assert (ROOT / "tl_keras" / "py.typed").is_file()
    code = "import tl_keras\nreveal_type(tl_keras.fit('photos').report)\ntl_keras.fitt()"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "", "--follow-imports=silent", "-c", code],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert "tl_keras.evaluation.record.EvaluationRecord" in done.stdout, done.stdout
    assert 'Module has no attribute "fitt"' in done.stdout


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = tl_keras.fitt


def test_predict_streams(finished, photos):
    answers = tl_keras.predict(finished, [photos / "red"], top=1)
    first = next(answers)
    assert first.error == "" and len(first.labels) == 1 and 0 < first.scores[0] <= 1
    assert len(list(answers)) == 19


def test_no_images_is_an_error_of_ours(tiny):
    with pytest.raises(tl_keras.ConfigError, match="No images given"):
        tl_keras.fit(config=tiny)


def test_the_settings_of_a_run_are_a_base_for_others(finished, tmp_path):
    assert tl_keras.run_config(finished).model.backbone == "Tiny"
    with pytest.raises(tl_keras.RunError, match="There is no run at"):
        tl_keras.run_config(tmp_path / "nowhere")


def test_what_is_said_on_the_way_can_be_turned_off_and_on(finished, photos, tiny, tmp_path, capfd):
    own = shutil.copytree(finished, tmp_path / "own")

    def said(name: str) -> str:
        capfd.readouterr()
        tl_keras.fit(photos, tiny, name=name, runs_dir=tmp_path)
        tl_keras.evaluate(own, data=photos, split=None)
        assert len(list(tl_keras.predict(own, [photos]))) == 60
        tl_keras.export(own, format="tflite", output=tmp_path / "quiet.tflite")
        return str(capfd.readouterr().err)

    tl_keras.set_verbosity(0)
    try:
        assert said("quiet") == ""
    finally:
        tl_keras.set_verbosity(1)
    loud = said("loud")
    assert "best epoch by val_" in loud and "exporting to" in loud


def test_verbosity_is_0_or_1():
    with pytest.raises(ValueError, match="0 or 1"):
        tl_keras.set_verbosity(2)  # type: ignore[arg-type]


def test_the_results_are_those_of_the_verbs(finished, photos):
    assert isinstance(next(tl_keras.predict(finished, [photos])), tl_keras.Prediction)
    assert all(isinstance(one, tl_keras.RunSummary) for one in tl_keras.runs(finished.parent))


def test_every_error_of_ours_has_one_root(tmp_path):
    with pytest.raises(tl_keras.TlkError, match="There is no run at"):
        tl_keras.evaluate(tmp_path / "nothing")


def test_the_cache_is_cleared_from_python(monkeypatch, tmp_path):
    monkeypatch.setenv("TLK_CACHE", str(tmp_path))
    assert tl_keras.clear_cache() == 0


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
