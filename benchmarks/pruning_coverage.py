"""Published architectures pruned to half of their channels: lissome unaided, and a peer that is told the classifier.

Architectures are those of pytorchcv with random weights; scores are random too, since only the wiring is asked about.
A network counts as done if what is left runs forward and backward, gives outputs of the same shapes and has fewer
parameters. Run from the project's root; nothing is timed, so other work may run beside it:

    pip install -r benchmarks/requirements.txt
    pip install --no-deps pytorchcv==0.0.67
    python benchmarks/pruning_coverage.py

What is kept lies in `runs/pruning_coverage`; started again, it goes on.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch_pruning
from pytorchcv.model_provider import get_model
from torch import Tensor, nn

from common import machine_and_versions, write_result, write_section
from lissome.compression.pruning.prune_channels import PruneChannels
from lissome.compression.pruning.scores import Random
from lissome.core.context import Context
from lissome.core.files import write_text

NAME = "pruning_coverage"
RUNS = Path("runs", NAME)
SEED = 0
NETWORKS = (
    *("alexnet", "zfnet", "vgg11", "bn_vgg11", "bninception", "resnet18", "resnet50", "preresnet18"),
    *("resnext14_32x4d", "seresnet18", "sepreresnet18", "seresnext50_32x4d", "senet16", "resnestabc14"),
    *("ibn_resnet50", "ibnb_resnet50", "ibn_resnext50_32x4d", "ibn_densenet121", "airnet50_1x64d_r2"),
    *("airnext50_32x4d_r2", "bam_resnet18", "cbam_resnet18", "resattnet56", "sknet50", "scnet50", "diaresnet18"),
    *("diapreresnet18", "pyramidnet101_a360", "diracnet18v2", "sharesnet18", "densenet121", "condensenet74_c4_g4"),
    *("sparsenet121", "peleenet", "wrn50_2", "drnc26", "drnd22", "dpn68", "darknet_ref", "darknet_tiny"),
    *("darknet19", "darknet53", "channelnet", "bagnet9", "dla34", "dla46xc", "msdnet22", "fishnet99"),
    *("espnetv2_wd2", "dicenet_wd5", "hrnet_w18_small_v1", "vovnet27s", "selecsls42", "hardnet39ds"),
    *("xdensenet121_2", "squeezenet_v1_0", "squeezeresnet_v1_0", "sqnxt23_w1", "shufflenet_g1_w1"),
    *("shufflenet_g3_w1", "shufflenetv2_wd2", "shufflenetv2b_wd2", "menet108_8x1_g3", "mobilenet_wd4"),
    *("mobilenetb_wd4", "fdmobilenet_wd4", "mobilenetv2_wd4", "mobilenetv2b_wd4", "mobilenetv3_small_w7d20"),
    *("mobilenetv3_large_w7d20", "igcv3_wd4", "ghostnet", "mnasnet_b1", "mnasnet_a1", "darts", "proxylessnas_cpu"),
    *("fbnet_cb", "xception", "inceptionv3", "inceptionv4", "inceptionresnetv1", "inceptionresnetv2", "polynet"),
    *("nasnet_4a1056", "pnasnet5large", "spnasnet", "efficientnet_b0", "efficientnet_b0b"),
    *("efficientnet_edge_small_b", "mixnet_s", "isqrtcovresnet18", "resneta10", "resnetd50b", "fastseresnet101b"),
    *("octresnet10_ad2", "revnet38", "irevnet301"),
)
"""One architecture of each family for ImageNet in pytorchcv 0.0.67 that builds with current numpy."""


def ours(model: nn.Module, images: Tensor) -> nn.Module:
    """Prune with lissome: nothing is told but an example."""
    return PruneChannels(keep=0.5, score=Random()).apply(model, Context(example=images, seed=SEED)).model


def peer(model: nn.Module, images: Tensor) -> nn.Module:
    """Prune with torch-pruning: the last layer with weights is named as the classifier."""
    weighted = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    pruner = torch_pruning.pruner.BasePruner(
        model,
        images,
        importance=torch_pruning.importance.RandomImportance(),
        pruning_ratio=0.5,
        ignored_layers=weighted[-1:],
        round_to=8,
    )
    pruner.step()
    return model


def tried(prune: Callable[[nn.Module, Tensor], nn.Module], name: str) -> dict[str, Any]:
    """Return whether a network could be pruned, how much is left, and the reason where it could not."""
    torch.manual_seed(SEED)
    model: nn.Module = get_model(name, pretrained=False).eval()
    images = torch.randn(1, 3, *model.in_size)
    before = sum(one.numel() for one in model.parameters())
    with torch.no_grad():
        expected = [one.shape for one in leaves(model(images))]
    try:
        pruned = prune(model, images)
        outputs = leaves(pruned(images))
        sum(one.sum() for one in outputs).backward()
    except Exception as error:  # noqa: BLE001 (a peer can fail in every way)
        return {"done": False, "reason": f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"}
    params = sum(one.numel() for one in pruned.parameters()) / before
    shapes = [one.shape for one in outputs]
    if shapes != expected:
        wrong, right = ("x".join(map(str, one[0])) for one in (shapes, expected))
        return {"done": False, "params_kept": params, "reason": f"the output is {wrong}, not {right}"}
    reason = {} if params < 1 else {"reason": "nothing was removed"}
    return {"done": params < 1, "params_kept": params, **reason}


def leaves(value: Any) -> list[Tensor]:
    """Return the tensors of nested tuples."""
    return [value] if isinstance(value, Tensor) else [one for part in value for one in leaves(part)]


def cell(name: str) -> dict[str, Any]:
    """Return the results of one network, kept or new."""
    path = RUNS / f"{name}.json"
    if not path.exists():
        RUNS.mkdir(parents=True, exist_ok=True)
        found = {who: tried(prune, name) for who, prune in (("lissome", ours), ("torch_pruning", peer))}
        write_text(path, json.dumps(found, indent=1))
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def page(rows: dict[str, dict[str, Any]]) -> str:
    """Return the section of `docs/pruning.md`."""
    who = ("lissome", "torch_pruning")
    done = {one: sum(row[one]["done"] for row in rows.values()) for one in who}
    lines = [
        f"Of {len(rows)} architectures lissome prunes {done['lissome']}, torch-pruning {done['torch_pruning']}. "
        "Parameters kept are of those done; here is every one that either could not do.",
        "",
        "| architecture | lissome | torch-pruning |",
        "|---|---|---|",
    ]
    for name, row in rows.items():
        if not all(row[one]["done"] for one in who):
            lines.append(f"| {name} | {' | '.join(text(row[one]) for one in who)} |")
    return "\n".join(lines)


def text(result: dict[str, Any]) -> str:
    """Return a cell of the table."""
    if result["done"]:
        return f"{result['params_kept']:.0%} of parameters kept"
    return result["reason"].replace("|", "/")[:160]


def main() -> None:
    """Try each network, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--limit", type=int, default=len(NETWORKS), help="only the first so many networks")
    limit = parser.parse_args().limit
    warnings.filterwarnings("ignore")
    rows = {}
    for name in NETWORKS[:limit]:
        rows[name] = cell(name)
        print(name, json.dumps(rows[name]), flush=True)
    if limit < len(NETWORKS):
        print("a part only: nothing is written")
        return
    versions = machine_and_versions("torch-pruning", "pytorchcv")
    write_result(NAME, {**versions, "seed": SEED, "networks": rows})
    write_section("pruning.md", "coverage", page(rows))


if __name__ == "__main__":
    main()
