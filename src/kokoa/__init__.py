"""Kokoa: a self-hosted composable commerce cloud. Start reading at ARCHITECTURE.md."""

__version__ = "0.1.0"
