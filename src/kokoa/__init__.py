"""Kokoa: a self-hosted composable commerce cloud. Start reading at ARCHITECTURE.md."""
