"""What fine-tuning asks of the ears: captions for songs without words, figures before and after."""
