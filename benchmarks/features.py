"""What computing features once is worth: time and memory, as ratios taken in the same run.

    KERAS_HOME=... python benchmarks/features.py --sign-digits DIR --ants-bees DIR --cifar10 DIR [NAME ...]

NAME is one of the measurements below; all of them take 40 minutes on two cores. MobileNetV2 (alpha 0.35)
needs its ImageNet weights in KERAS_HOME. The plain recipe is `plain_keras.py` in a process of its own;
pairs of runs alternate, and medians are compared. CIFAR10 is a folder with train/ and test/ of class
folders.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).parent
TLK = str(Path(sys.executable).with_name("tlk"))
NETWORK = ("--backbone", "MobileNetV2", "--backbone-option", "alpha=0.35")


class Workplace:
    """A folder for runs and features that ends with the benchmark."""

    def __init__(self, options: argparse.Namespace, folder: str) -> None:
        self.options = options
        self.folder = Path(folder)
        self.cache = self.folder / "cache"
        os.environ["TLK_CACHE"] = str(self.cache)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def forget(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def fit(self, data: Path, *more: str, name: str = "run") -> dict:
        return self.tlk(
            "fit", str(data), "--runs-dir", str(self.folder), "--name", name, "--overwrite", *more
        )

    def tlk(self, *arguments: str) -> dict:
        """Run a command; return its JSON with `seconds` of the whole process and `peak_mb`."""
        return measured([TLK, *arguments, "--json"])


def measured(command: list[str]) -> dict:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    peak = {"anonymous": 0.0, "resident": 0.0}
    watcher = threading.Thread(target=watch_memory, args=(process.pid, peak), daemon=True)
    watcher.start()
    lines = process.stdout.read()
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed")
    seconds = time.perf_counter() - started
    found = json.loads(lines[lines.index("{") :]) if "{" in lines else {}
    return {**found, "seconds": seconds, "peak_mb": peak["resident"], "anonymous_mb": peak["anonymous"]}


def watch_memory(pid: int, peak: dict[str, float]) -> None:
    """Note the largest resident memory, and how much of it is no mapped file, MB."""
    while True:
        try:
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            for name, key in (("resident", "VmRSS"), ("anonymous", "RssAnon")):
                peak[name] = max(peak[name], int(status[key].split()[0]) / 1e3)
        except (OSError, KeyError):
            return
        time.sleep(0.05)


def plain(data: Path, *more: str) -> dict:
    return measured([sys.executable, str(HERE / "plain_keras.py"), str(data), *more])


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def pairs(ours: Callable[[], float], theirs: Callable[[], float], count: int) -> str:
    """Measure both in turns; return both medians, and the median of the ratios of pairs."""
    found = [(ours(), theirs()) for _ in range(count)]
    a, b = (median(values) for values in zip(*found, strict=True))
    ratio = median(y / x for x, y in found)
    return f"{a:.1f} s against {b:.1f} s: {ratio:.2f} times as fast ({count} pairs)"


def phase_one(place: Workplace) -> None:
    data = place.options.sign_digits
    for epochs in ("10", "50"):

        def cold(epochs: str = epochs) -> float:
            place.forget()
            return place.fit(data, *NETWORK, "--epochs", epochs)["seconds"]

        for name, more in (("with the guide's augmentation", ("--augment",)), ("without augmentation", ())):
            options = ("--alpha", "0.35", "--epochs", epochs, *more)
            plainly = lambda options=options: plain(data, *options)["seconds"]  # noqa: E731
            found = pairs(cold, plainly, place.options.pairs if epochs == "10" else 1)
            print(f"phase 1, {epochs} epochs, cold store, against plain {name}: {found}", flush=True)
        if epochs == "10":
            warm_start(place)


def warm_start(place: Workplace) -> None:
    """A fit on images whose features are stored, against the bare imports; less is better."""
    imports = [sys.executable, "-c", "import tensorflow, keras"]
    fit = lambda: place.fit(place.options.sign_digits, *NETWORK, "--epochs", "10")["seconds"]  # noqa: E731
    fit()
    found = [(fit(), measured(imports)["seconds"]) for _ in range(5)]
    a, b = (median(values) for values in zip(*found, strict=True))
    ratio = median(x / y for x, y in found)
    print(f"phase 1, 10 epochs, warm store: {a:.1f} s, {ratio:.2f} times the imports ({b:.1f} s)", flush=True)


def phase_two(place: Workplace) -> None:
    sign, ants = place.options.sign_digits, place.options.ants_bees
    jobs = (
        ("MobileNetV2 from block_13, 10 epochs", sign, NETWORK, "block_13", "10", ("--alpha", "0.35")),
        ("ResNet50 from conv5, 5 epochs", ants, ("--backbone", "ResNet50", "--weights", "none"), "conv5", "5",
         ("--backbone", "ResNet50", "--weights", "none")),
    )  # fmt: skip
    for name, data, network, block, epochs, theirs in jobs:
        place.fit(data, *network, "--epochs", "1", name="two")

        def ours(block: str = block, epochs: str = epochs) -> float:
            for folder in (place.cache / "features").glob("[0-9a-f]*"):
                if "pooling" not in (folder / "about.json").read_text():
                    shutil.rmtree(folder)
            options = (
                "--unfreeze",
                f"from:{block}",
                "--epochs",
                epochs,
                "--set",
                "finetune.early_stopping=0",
            )
            return place.tlk("unfreeze-and-finetune", str(place.folder / "two"), *options)["seconds"]

        def plainly(data: Path = data, block: str = block, epochs: str = epochs, theirs=theirs) -> float:
            return plain(data, "--epochs", "1", "--finetune", f"{block}_", "--finetune-epochs", epochs,
                         *theirs)["finetune_seconds"]  # fmt: skip

        found = pairs(ours, plainly, place.options.pairs)
        print(f"phase 2, {name}, whole process against the plain fit alone: {found}", flush=True)


def extraction(place: Workplace) -> None:
    """Images/s against 1 / (1 / decoding alone + 1 / the network alone)."""
    import numpy as np

    from tl_keras.config.schema import ModelConfig
    from tl_keras.core.geometry import Geometry
    from tl_keras.data.decode_examples import decode_examples
    from tl_keras.data.sources.folder import read_folder
    from tl_keras.features.extract import extract
    from tl_keras.features.extractor import FeatureExtractor
    from tl_keras.features.store import open_store
    from tl_keras.models.classifier import build_trunk

    for data in (place.options.sign_digits, place.options.ants_bees):
        trunk = build_trunk(ModelConfig(backbone="MobileNetV2", options={"alpha": 0.35}), 224)
        extractor, geometry = FeatureExtractor(trunk, {}, "float32"), Geometry(224, 224, "crop")
        examples = read_folder(Path(data)).examples
        batch = np.zeros((extractor.batch_size, 224, 224, 3), np.uint8)
        extractor(batch)

        def decoding(examples=examples, geometry=geometry) -> float:
            started = time.perf_counter()
            count = sum(1 for _ in decode_examples(examples, geometry))
            return count / (time.perf_counter() - started)

        def network(extractor=extractor, batch=batch) -> float:
            started = time.perf_counter()
            for _ in range(30):
                extractor(batch)
            return 30 * len(batch) / (time.perf_counter() - started)

        def both(examples=examples, geometry=geometry, extractor=extractor) -> float:
            store = open_store(None, extractor.about, extractor.shape, extractor.dtype)
            started = time.perf_counter()
            extract(examples, geometry, extractor, store, lambda _: None)
            return len(examples) / (time.perf_counter() - started)

        found = [(decoding(), network(), both()) for _ in range(5)]
        limits = [1 / (1 / d + 1 / n) for d, n, _ in found]
        d, n, b = (median(values) for values in zip(*found, strict=True))
        ratio = median(rate / limit for (_, _, rate), limit in zip(found, limits, strict=True))
        print(
            f"extraction, {data.name}: {b:.0f} images/s; decoding alone {d:.0f}, network alone {n:.0f}, "
            f"limit {median(limits):.0f}: {ratio:.2f} of it",
            flush=True,
        )


def subset(place: Workplace, per_class: int) -> Path:
    """Return class folders with so many of CIFAR-10's training images of each class, as links."""
    folder = place.folder / f"cifar-{per_class}"
    for name in sorted(p for p in (place.options.cifar10 / "train").iterdir() if p.is_dir()):
        (folder / name.name).mkdir(parents=True, exist_ok=True)
        for file in sorted(name.iterdir())[:per_class]:
            os.link(file, folder / name.name / file.name)
    return folder


def scale(place: Workplace) -> None:
    """Time and memory of a cold `tlk fit` with Tiny on more and more images; an explicit head, few epochs."""
    options = ("--backbone", "Tiny", "--set", "head.dropout=0.1", "--epochs", "2", "--batch-size", "256")
    folders = {count: subset(place, count // 10) for count in (5_000, 20_000, 50_000)}
    found: dict[int, list[dict]] = {count: [] for count in folders}
    for _ in range(place.options.pairs):
        for count, folder in folders.items():
            place.forget()
            found[count].append(place.fit(folder, *options))
    for count, runs in found.items():
        seconds, peak, own = (median(r[key] for r in runs) for key in ("seconds", "peak_mb", "anonymous_mb"))
        print(
            f"fit on {count} images: {seconds:.1f} s, peak {peak:.0f} MB ({own:.0f} MB of it no mapped file)"
        )
    peaks = {count: median(run["peak_mb"] for run in runs) for count, runs in found.items()}
    times = {count: median(run["seconds"] for run in runs) for count, runs in found.items()}
    print(f"peak memory, 50,000 over 5,000 images: {peaks[50_000] / peaks[5_000]:.2f}")
    slopes = [(times[20_000] - times[5_000]) / 15, (times[50_000] - times[20_000]) / 30]
    print(
        f"seconds per 1,000 more images: {slopes[0]:.3f} from 5,000 to 20,000, {slopes[1]:.3f} from there to "
        f"50,000: {slopes[1] / slopes[0]:.2f}",
        flush=True,
    )


def bulk(place: Workplace) -> None:
    """`tlk predict` on all of CIFAR-10's files, none of which is stored."""
    import numpy as np

    from tl_keras.config.schema import ModelConfig
    from tl_keras.core.geometry import Geometry
    from tl_keras.data.decode_examples import decode_examples
    from tl_keras.data.sources.folder import read_folder
    from tl_keras.features.extractor import FeatureExtractor
    from tl_keras.models.classifier import build_trunk

    place.fit(subset(place, 50), "--backbone", "Tiny", name="bulk")
    place.forget()
    examples = read_folder(place.options.cifar10).examples[:10_000]
    extractor = FeatureExtractor(build_trunk(ModelConfig(backbone="Tiny"), 32), {}, "float32")
    batch = np.zeros((32, 32, 32, 3), np.uint8)
    extractor(batch)
    started = time.perf_counter()
    count = sum(1 for _ in decode_examples(examples, Geometry(32, 32)))
    decoding = count / (time.perf_counter() - started)
    started = time.perf_counter()
    for _ in range(300):
        extractor(batch)
    network = 300 * 32 / (time.perf_counter() - started)
    limit = 1 / (1 / decoding + 1 / network)
    command = [TLK, "predict", str(place.folder / "bulk"), str(place.options.cifar10), "--csv"]
    found = []
    for _ in range(place.options.pairs):
        started, marks = time.perf_counter(), []
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            for number, line in enumerate(process.stdout):
                if line.split(",")[-4:-3] == ["1"] and number % 5_000 == 1:
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    memory = int(status.split("VmRSS:")[1].split()[0]) / 1e3
                    marks.append((time.perf_counter() - started, memory))
        seconds = time.perf_counter() - started
        found.append((60_000 / seconds, 60_000 / (seconds - marks[0][0]), marks))
    whole, steady = (median(values) for values in list(zip(*found, strict=True))[:2])
    memories = [round(memory) for _, memory in found[0][2]]
    print(f"predict, 60,000 files: {whole:.0f} images/s of the whole process, {steady:.0f} after the first")
    shares = f"{whole / limit:.2f} and {steady / limit:.2f} of the limit {limit:.0f}"
    print(f"  {shares} (decoding alone {decoding:.0f}, network alone {network:.0f})")
    print(f"  resident MB on the way: {memories}", flush=True)


MEASUREMENTS = {
    "phase_one": phase_one,
    "phase_two": phase_two,
    "extraction": extraction,
    "scale": scale,
    "bulk": bulk,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*MEASUREMENTS, []], default=[])
    for name in ("--sign-digits", "--ants-bees", "--cifar10"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=3, help="Runs of each, where these are not too long.")
    options = parser.parse_args()
    for name in options.names or MEASUREMENTS:
        with tempfile.TemporaryDirectory() as folder:
            MEASUREMENTS[name](Workplace(options, folder))


if __name__ == "__main__":
    main()
