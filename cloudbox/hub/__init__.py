"""The Hugging Face Hub: model and Space repositories, as the real `huggingface_hub` client asks for them."""
