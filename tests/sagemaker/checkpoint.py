"""A random two-layer Llama with a tokenizer and a chat template: a checkpoint that an engine takes in seconds."""

from pathlib import Path


def write_checkpoint(folder: Path) -> None:
    """Needs torch and transformers, which the development environment does not install."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    letters = [chr(code) for code in range(0x20, 0x7F)]
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["<s>", "</s>"], initial_alphabet=["Ġ", *letters[1:]])
    words.train_from_iterator(["hello world the quick brown fox"] * 10, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}assistant:"
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes.update(num_key_value_heads=2, max_position_embeddings=512)
    config = LlamaConfig(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=1, **sizes)
    LlamaForCausalLM(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
