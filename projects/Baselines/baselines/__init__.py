"""Predictions without images, to compare the models with."""
