"""Images in, batches out: splits, the Task made of them, augmentations one a file, and the embedded sample."""

from lissome.data.embedded_sample import Sample, sample
from lissome.data.task import Task

__all__ = ["Sample", "Task", "sample"]
