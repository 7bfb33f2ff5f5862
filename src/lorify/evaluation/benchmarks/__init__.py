"""The ten benchmarks of Text-to-LoRA, run by lm-eval with the generated adapter in PEFT format."""
