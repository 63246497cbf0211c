"""Changed copies: a function of the image's content, the seed and the copy's number."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.features.conftest import GEOMETRY, nothing, store_of
from tl_keras.config.schema import AugmentConfig
from tl_keras.data.decode_examples import check
from tl_keras.data.images.decode import decode
from tl_keras.errors import DataError
from tl_keras.features.extract import extract, extract_view
from tl_keras.features.loader import FeatureLoader
from tl_keras.features.views import View

CHANGES = {
    "geometry": AugmentConfig(flip="horizontal", rotation=30, zoom=0.2, translation=0.1),
    "colour": AugmentConfig(color_jitter=0.4),
    "crop": AugmentConfig(random_resized_crop=0.3),
    "rand_augment": AugmentConfig(rand_augment=0.5),
}
SLOW = "rand_augment"


@pytest.fixture(scope="module")
def checked(examples):
    return check(examples, GEOMETRY)


@pytest.mark.parametrize(
    "name", [name if name != SLOW else pytest.param(name, marks=pytest.mark.slow) for name in CHANGES]
)
def test_a_view_is_changed_reproducible_and_one_of_several(checked, name):
    augment = CHANGES[name]
    view = View(augment, 3, 1)
    first = [view.pixels(example, GEOMETRY) for example in checked[:6]]
    again = [View(augment, 3, 1).pixels(example, GEOMETRY) for example in checked[5::-1]][::-1]
    np.testing.assert_array_equal(first, again)
    assert first[0].dtype == np.uint8 and first[0].shape == (32, 32, 3)
    plain = [decode(example.path, GEOMETRY) for example in checked[:6]]
    assert sum((a != b).any() for a, b in zip(first, plain, strict=True)) >= 4
    for other in (View(augment, 3, 2), View(augment, 4, 1)):
        pixels = [other.pixels(example, GEOMETRY) for example in checked[:6]]
        assert sum((a != b).any() for a, b in zip(first, pixels, strict=True)) >= 4


def test_the_place_of_a_file_does_not_count(checked, tmp_path):
    view = View(CHANGES["geometry"], 0, 1)
    moved = replace(checked[0], path=str(shutil.copy(checked[0].path, tmp_path / "b.jpg")))
    np.testing.assert_array_equal(view.pixels(checked[0], GEOMETRY), view.pixels(moved, GEOMETRY))


def test_a_file_whose_content_changed_meanwhile_is_named(checked, tmp_path):
    path = tmp_path / "swapped.jpg"
    shutil.copy(checked[1].path, path)
    with pytest.raises(DataError, match=r"swapped.jpg .*content has changed"):
        View(CHANGES["geometry"], 0, 1).pixels(replace(checked[0], path=str(path)), GEOMETRY)


def test_an_image_that_broke_meanwhile_is_named(checked, tmp_path):
    gone = replace(checked[0], path=str(tmp_path / "gone.jpg"))
    with pytest.raises(DataError, match=r"gone.jpg was readable when it was checked"):
        View(CHANGES["geometry"], 0, 1).pixels(gone, GEOMETRY)


def test_each_epoch_shows_every_image_in_one_view_and_all_come_in_turn(checked, extractor, tmp_path):
    from tl_keras.data.batches import training_batches

    plain = store_of(extractor, tmp_path / "plain")
    extract(checked, GEOMETRY, extractor, plain, nothing)
    view = store_of(extractor, tmp_path / "view")
    extract_view(checked, GEOMETRY, extractor, view, View(CHANGES["geometry"], 0, 1), nothing)
    loader = FeatureLoader(checked, sorted({e.label for e in checked}), "multiclass", [plain, view])
    batches = training_batches(loader, CHANGES["geometry"], batch_size=70, epochs=2, seed=0)
    first, second = (np.asarray(rows) for rows, _ in batches)
    assert first.shape == (70, *extractor.shape)
    everything = {row.tobytes() for row in loader.load(np.arange(140))}
    seen = [{row.tobytes() for row in rows} for rows in (first, second)]
    assert len(everything) == 140 and seen[0] | seen[1] == everything
