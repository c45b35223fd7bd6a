"""Radiograph simulator, data sets, training and evaluation of WristQC's models."""
