"""How overrides of an environment behave (policies), and what became of them (reports): fields and routes alike."""
