"""The edge: the one door of every store. It finds the environment, holds its limits, and decides who answers."""
