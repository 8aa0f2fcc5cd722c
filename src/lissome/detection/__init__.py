"""Where things are: boxes and their losses, suppression of doubles, decoding, average precision, and the task.

The networks themselves are in `models`, what they are built of in `layers`. What leaves an engine is decoded here, so
that the same few lines serve torch, onnxruntime, ncnn and the rest.
"""
