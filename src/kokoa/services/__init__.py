"""The core services. They never import each other; they meet through the graph and through events."""
