"""RULES: every rule of advice by name, one rule a file. Listing them loads none."""

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "equal_channels": "lissome.advice.rules.equal_channels:EqualChannels",
    "few_groups": "lissome.advice.rules.few_groups:FewGroups",
    "little_fragmentation": "lissome.advice.rules.little_fragmentation:LittleFragmentation",
    "few_elementwise": "lissome.advice.rules.few_elementwise:FewElementwise",
    "channel_multiples": "lissome.advice.rules.channel_multiples:ChannelMultiples",
    "no_depthwise_on_accelerators": "lissome.advice.rules.no_depthwise_on_accelerators:NoDepthwiseOnAccelerators",
    "plain_at_few_channels": "lissome.advice.rules.plain_at_few_channels:PlainAtFewChannels",
    "small_kernels": "lissome.advice.rules.small_kernels:SmallKernels",
    "cheap_attention": "lissome.advice.rules.cheap_attention:CheapAttention",
    "early_downsampling": "lissome.advice.rules.early_downsampling:EarlyDownsampling",
    "folded_batch_norm": "lissome.advice.rules.folded_batch_norm:FoldedBatchNorm",
    "integers_where_they_pay": "lissome.advice.rules.integers_where_they_pay:IntegersWhereTheyPay",
    "lean_classifier": "lissome.advice.rules.lean_classifier:LeanClassifier",
    "distinct_maps": "lissome.advice.rules.distinct_maps:DistinctMaps",
    "arithmetic_not_memory": "lissome.advice.rules.arithmetic_not_memory:ArithmeticNotMemory",
}
"""Name to "module:class"."""
