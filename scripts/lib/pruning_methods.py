"""What the configuration may ask of each pruning method; without torch, so that a plan can be checked before anything is imported."""

SCOPES = {  # over which weights a method ranks: within each layer, or over all of them together
    "l1_unstructured": ("layer", "global"),
    "random_unstructured": ("layer", "global"),
    "ln_structured": ("layer",),
    "semi_structured_2_4": ("layer",),
    "wanda": ("layer",),
}
CALIBRATED = ("wanda",)  # those that look at what the layers are given


def wrong_scope(method, scope):
    """What was found, what was expected and the way out, if `method` does not rank weights over the given scope; else None."""
    if scope in SCOPES[method]:
        return None
    free = " or ".join(name for name, scopes in SCOPES.items() if scope in scopes)
    return f"{scope}, and {method} ranks weights within a layer", " or ".join(SCOPES[method]), f"change the scope, or choose {free}"
