from runs import project, smoke  # noqa: F401
