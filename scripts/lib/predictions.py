"""Rows of predictions.jsonl."""


def prediction(row, text, prompt_tokens=0, new_tokens=0, truncated=False):
    """The summary that a system wrote of `row` (id, article, reference); `truncated` tells whether the article was shortened."""
    return {
        "id": row["id"],
        "prediction": text,
        "reference": row["reference"],
        "prompt_tokens": prompt_tokens,
        "new_tokens": new_tokens,
        "truncated": truncated,
    }
