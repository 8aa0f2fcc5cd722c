"""Make src/lissome/data/sample from the real data: run once, by hand; the files are committed.

    python tools/make_sample.py path/to/cifar10 path/to/cifar10_resnet_akamaster

Writes the images, labels and weights, and prints the hashes that `lissome.data.embedded_sample` records.
"""

import argparse
import hashlib
import shutil
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from lissome.core.files import replacing
from lissome.data.cifar10 import CLASS_NAMES, cifar10_parts
from lissome.data.embedded_sample import FOLDER, TEST_IMAGES, TRAIN_IMAGES
from lissome.data.hold_out import stratified_order
from lissome.data.image_codec import pack_images
from lissome.data.split import Split
from lissome.models.create import create
from lissome.models.weights import load_weights

SEED = 0


def balanced_sample(split: Split, count: int, seed: int) -> Split:
    """Choose the same number of images of every class, in `stratified_order`."""
    generator = np.random.default_rng(seed)
    labels = split.labels()
    each = count // len(CLASS_NAMES)
    chosen = [generator.permutation(np.flatnonzero(labels == label))[:each] for label in range(len(CLASS_NAMES))]
    positions = np.sort(np.concatenate(chosen))
    return split.subset(positions[stratified_order(labels[positions])])


def main() -> None:
    """Write the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cifar10", type=Path, help="folder as lissome.data.cifar10 reads it")
    parser.add_argument("weights", type=Path, help="folder with LICENSE and resnet20-12fca82f.th")
    arguments = parser.parse_args()
    parts = cifar10_parts(arguments.cifar10)
    labels = {}
    for part, split, count in (("train", parts.train, TRAIN_IMAGES), ("test", parts.test, TEST_IMAGES)):
        chosen = balanced_sample(split, count, SEED)
        images = chosen.raw()
        labels[part] = chosen.labels().astype(np.uint8)
        with replacing(FOLDER / f"{part}.xz") as temporary:
            temporary.write_bytes(pack_images(images))
        print(part, hashlib.sha256(images.tobytes()).hexdigest())  # noqa: T201 (a script)
    with replacing(FOLDER / "labels.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **labels)
    model = create("resnet20")
    load_weights(model, arguments.weights / "resnet20-12fca82f.th")
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with replacing(FOLDER / "resnet20.safetensors") as temporary:
        save_file(tensors, temporary)
    shutil.copyfile(arguments.weights / "LICENSE", FOLDER / "LICENSE-resnet20.txt")


if __name__ == "__main__":
    main()
