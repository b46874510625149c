"""Graphs of models: exported from torch, quantized, and run by ONNX Runtime; each library loads where it is needed."""
