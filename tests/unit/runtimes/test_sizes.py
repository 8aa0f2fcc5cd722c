import json

import pytest
import torch
from torch import nn

from lissome.cli import main
from lissome.compression.clustering.cluster_weights import ClusterWeights
from lissome.core.context import Context
from lissome.exporting.export import export
from lissome.runtimes.sizes import sizes


def test_the_rows_add_up_to_what_the_archive_holds_and_packed_is_shorter_than_zipped(tmp_path, capsys, monkeypatch):
    torch.manual_seed(0)
    context = Context(example=torch.rand(2, 64))
    shared = ClusterWeights(bits=4, skip=("1",)).apply(nn.Sequential(nn.Linear(64, 96), nn.Linear(96, 32)), context)
    artifact = export(shared, tmp_path / "a.lissome", runtimes=["onnxruntime", "torch"], context=context)
    found = sizes(artifact)
    for name, entry in artifact.card.files.items():
        rows = [row for row in found.rows if row.file == name]
        assert sum(row.raw_bytes for row in rows) == entry.size_bytes
        assert sum(row.packed_bytes for row in rows) == entry.stored_bytes
        assert all(row.packed_bytes >= 0 for row in rows)
    row = next(row for row in found.rows if row.weights == 64 * 96)
    assert row.packed_bytes < row.zipped_bytes < row.raw_bytes
    assert 3 < row.entropy_bits < row.bits < row.entropy_bits + 0.3
    assert found.artifact_bytes == artifact.path.stat().st_size
    assert row.tensor in str(found)
    assert f"{row.bits:.2f}" in str(found)
    monkeypatch.setattr("sys.argv", ["lissome", "sizes", str(artifact.path), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out) == found.to_dict()
