"""The command that shows what a network costs."""

from lissome.cli.options import AsJson, Classes, Input, Model, Weights, shape_of, show


def profile(
    model: Model, *, input: Input = None, classes: Classes = None, weights: Weights = None, as_json: AsJson = False
) -> None:
    """Show what a network costs, layer by layer: parameters, MACs, bytes."""
    from lissome.cli.arguments import find_model
    from lissome.core.errors import SettingError
    from lissome.models.catalog import CATALOG
    from lissome.profiling.profile import profile as count

    network = find_model(model, weights, classes)
    entry = CATALOG.get(model)
    if input is None and entry is None:
        raise SettingError("the input shape is not known", where=model, fix="add --input 1x3x224x224")
    shape = shape_of(input) if input else (1, *entry.input)  # type: ignore[union-attr]
    cost = count(network, shape)
    show(cost, {**cost.to_dict(), "name": model}, as_json=as_json)
