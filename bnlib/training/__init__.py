"""Training: objectives, stages, runs, sweeps, and how near a network is to a minimum."""

from .run import TrainResult, smoothed_objective, train

__all__ = ["TrainResult", "smoothed_objective", "train"]
