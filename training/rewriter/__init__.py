"""How the small rewriter is made and measured: memos, LoRA training, evaluation."""
