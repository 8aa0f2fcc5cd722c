import numpy as np
import torch
from torch import nn

from lissome.compression.sparsity.prune_weights import PruneWeights
from lissome.core.context import Context
from lissome.exporting.export import export
from lissome.runtimes.artifact import load


def test_a_sparse_network_is_small_in_the_artifact_and_whole_on_the_engine(tmp_path):
    context = Context(example=torch.rand(2, 64, 8, 8))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3)).eval()
    sparse = PruneWeights(sparsity=0.9, ends=True).apply(network, context)
    engines = ("onnxruntime", "torch")
    dense_one, sparse_one = (
        export(one, tmp_path / name, runtimes=engines, context=context)
        for one, name in ((network, "dense.lissome"), (sparse, "sparse.lissome"))
    )
    assert (tmp_path / "sparse.lissome").stat().st_size < 0.2 * (tmp_path / "dense.lissome").stat().st_size
    loaded = load(tmp_path / "sparse.lissome")
    images = np.random.default_rng(0).random((2, 64, 8, 8), np.float32)
    for engine in engines:
        assert loaded.size_kib(engine) == sparse_one.size_kib(engine) > 0.95 * dense_one.size_kib(engine)
        assert loaded.stored_kib(engine) < 0.2 * loaded.size_kib(engine)
        assert dense_one.stored_kib(engine) > 0.85 * dense_one.size_kib(engine)
        (path,) = loaded.extract(engine, tmp_path / engine)
        assert path.read_bytes() == sparse_one.contents[f"{path.relative_to(tmp_path / engine)}"]
        np.testing.assert_array_equal(loaded.session(engine).run(images)[0], sparse_one.session(engine).run(images)[0])
    assert f"onnxruntime: stored in {loaded.stored_kib('onnxruntime'):.1f} KiB" in str(loaded)
