"""Simulated wrist radiographs: exact labels, any error of positioning, publishable images."""
