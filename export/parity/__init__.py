"""Compare an exported version with transformers' model and tokenizer.

``token_ids`` compares the tokenizers, ``fill_mask`` and ``classify`` the signatures of a masked language model and of a
classifier; ``common`` has the sentences.
"""
