"""Decode, draw, encode."""
