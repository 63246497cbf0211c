"""Every image goes through the network once, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.features.conftest import GEOMETRY, nothing, store_of
from tests.images import encoded, noisy_image
from tl_keras.data.example import Example
from tl_keras.data.images.decode import decode
from tl_keras.features.extract import extract
from tl_keras.features.extractor import FeatureExtractor

ROOT = Path(__file__).resolve().parents[2]


def run(examples, extractor, store):
    return extract(examples, GEOMETRY, extractor, store, nothing)[0]


def rows_of(store, examples) -> np.ndarray:
    return store.read(store.locate([example.sha256 for example in examples]))


class Counting:
    """An extractor that counts what it is given."""

    def __init__(self, extractor) -> None:
        self._extractor, self.images = extractor, 0
        self.batch_size = extractor.batch_size

    def __call__(self, images):
        self.images += len(images)
        return self._extractor(images)


def test_rows_are_what_the_network_makes_of_the_decoded_image(examples, extractor, trunk, tmp_path):
    store = store_of(extractor, tmp_path)
    checked = run(examples, extractor, store)
    pixels = np.stack([decode(example.path, GEOMETRY) for example in examples])
    expected = np.asarray(trunk(pixels, training=False))
    np.testing.assert_allclose(rows_of(store, checked), expected, rtol=1e-3, atol=1e-3)
    assert [example.path for example in checked] == [example.path for example in examples]


def test_a_row_does_not_depend_on_the_batch_but_for_rounding(examples, extractor, tmp_path):
    one, other = store_of(extractor, tmp_path / "1"), store_of(extractor, tmp_path / "2")
    checked = run(examples, extractor, one)
    run(examples[::-3], extractor, other)
    run(examples, extractor, other)
    # On some processors the last rows of a batch are summed in another order than the others.
    np.testing.assert_allclose(rows_of(one, checked), rows_of(other, checked), rtol=1e-3, atol=1e-4)


def test_only_new_images_are_computed(examples, extractor, tmp_path):
    counting = Counting(extractor)
    run(examples[:60], counting, store_of(extractor, tmp_path))
    assert counting.images == 60
    run(examples, counting, store_of(extractor, tmp_path))
    assert counting.images == 70
    run(examples, counting, store_of(extractor, tmp_path))
    assert counting.images == 70


def test_copies_are_computed_once(examples, extractor, tmp_path):
    copy = shutil.copy(examples[0].path, tmp_path / "copy.jpg")
    counting = Counting(extractor)
    store = store_of(extractor, tmp_path / "store")
    checked = run([examples[0], Example(str(copy), "x"), examples[0]], counting, store)
    assert counting.images == 1 and len({example.sha256 for example in checked}) == 1


def test_broken_images_are_told_and_left_out(examples, extractor, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "half.jpg").write_bytes(encoded(noisy_image(1, (300, 200)))[:3000])
    odd = [Example(str(tmp_path / name), "x") for name in ("text.jpg", "half.jpg", "gone.jpg")]
    store = store_of(extractor, tmp_path / "store")
    checked = run([*odd, examples[0]], extractor, store)
    assert [not example.is_used for example in checked] == [True, True, True, False]
    assert len(store) == 1


def test_an_interruption_keeps_what_is_done(examples, extractor, tmp_path):
    def stop(_done: int) -> None:
        nonlocal seen
        seen += 1
        if seen == 50:
            raise KeyboardInterrupt

    seen = 0
    with pytest.raises(KeyboardInterrupt):
        extract(examples, GEOMETRY, extractor, store_of(extractor, tmp_path), stop)
    assert len(store_of(extractor, tmp_path)) == 32


def test_float16_rounds_and_refuses_what_it_cannot_hold(trunk, examples):
    pixels = np.stack([decode(example.path, GEOMETRY) for example in examples[:3]])
    exact, rounded = (FeatureExtractor(trunk, {}, dtype)(pixels) for dtype in ("float32", "float16"))
    assert rounded.dtype == np.float16
    np.testing.assert_allclose(rounded, exact, rtol=1e-3, atol=1e-5)
    import keras

    from tl_keras.errors import ModelError

    huge = keras.Model(trunk.input, trunk.output * 1e6)
    with pytest.raises(ModelError, match="float16 ends at 65504"):
        FeatureExtractor(huge, {}, "float16")(pixels)


def test_the_fingerprint_follows_the_weights(trunk, extractor):
    import keras

    twin = keras.models.clone_model(trunk)
    twin.set_weights(trunk.get_weights())
    assert FeatureExtractor(twin, {"network": "test"}, "float32").about == extractor.about
    twin.weights[-1].assign(twin.weights[-1] + 1)
    assert FeatureExtractor(twin, {"network": "test"}, "float32").about != extractor.about


CHILD = """
    import sys
    from pathlib import Path
    from tl_keras.config.schema import ModelConfig
    from tl_keras.data.example import Example
    from tl_keras.features import extract as module
    from tl_keras.features.extractor import FeatureExtractor
    from tl_keras.features.store import open_store
    from tl_keras.core.geometry import Geometry
    from tl_keras.models.classifier import build_trunk

    images, weights, root = sys.argv[1:]
    module.CHUNK_SECONDS = 0.0
    trunk = build_trunk(
        ModelConfig(backbone="MobileNet", options={"alpha": 0.25}, weights=weights), 32)
    extractor = FeatureExtractor(trunk, {"network": "test"}, "float32")
    extractor.batch_size = 2
    store = open_store(Path(root), extractor.about, extractor.shape, extractor.dtype)
    examples = [Example(str(path), "x") for path in sorted(Path(images).rglob("*.jpg"))]
    print("ready", flush=True)
    module.extract(examples, Geometry(32, 32), extractor, store, lambda done: None)
    print(len(store), flush=True)
"""


def child(examples, weights: Path, root: Path) -> subprocess.Popen:
    folder = Path(examples[0].path).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(folder), str(weights), str(root)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip


def stored(root: Path) -> dict[bytes, bytes]:
    tables = [np.load(file) for file in root.glob("*/*.npy")]
    return {row["sha256"].tobytes(): row["row"].tobytes() for table in tables for row in table}


@pytest.mark.slow
def test_a_killed_process_leaves_whole_chunks_and_the_next_goes_on(examples, alive, tmp_path):
    killed = child(examples, alive, tmp_path / "a")
    assert killed.stdout is not None and killed.stdout.readline() == "ready\n"
    while not list((tmp_path / "a").glob("*/*.npy")):
        assert killed.poll() is None, "it ended before it stored anything"
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    part = stored(tmp_path / "a")
    again, undisturbed = child(examples, alive, tmp_path / "a"), child(examples, alive, tmp_path / "b")
    assert again.communicate()[0].split() == undisturbed.communicate()[0].split() == ["ready", "70"]
    whole = stored(tmp_path / "b")
    assert part and part.items() <= whole.items()
    assert stored(tmp_path / "a") == whole and len(whole) == 70


@pytest.mark.slow
def test_two_processes_share_the_work(examples, alive, tmp_path):
    both = [child(examples, alive, tmp_path) for _ in range(2)]
    assert [process.communicate()[0].split() for process in both] == [["ready", "70"]] * 2
    assert len(stored(tmp_path)) == 70
    assert sum(len(np.load(file)) for file in tmp_path.glob("*/*.npy")) == 70, "nothing was computed twice"


def test_changed_files_are_other_images(examples, extractor, tmp_path):
    path = tmp_path / "a.jpg"
    counting, store = Counting(extractor), store_of(extractor, tmp_path / "store")
    for seed in (1, 2, 1):
        path.write_bytes(encoded(noisy_image(seed)))
        run([replace(examples[0], path=str(path))], counting, store)
    assert counting.images == 2
