"""Fine-tuning: a folder of music becomes a LoRA adapter that plays in its style.

`preparing` turns audio into captioned pieces of codes, `training` learns from them; what a family
of models has to know for it is a `Trainee`.
"""
